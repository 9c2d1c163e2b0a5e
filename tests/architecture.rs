//! ARCHITECTURE.md names only what exists.

use std::path::Path;

#[test]
fn every_path_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let mut named = 0;
        for word in text.split('`').skip(1).step_by(2) {
            let looks_like_a_path =
                ["crates/", "src/", "tests", "benches", "docs", "fuzz"].iter().any(|p| word.starts_with(p));
            if looks_like_a_path && !word.contains(' ') {
                named += 1;
                assert!(root.join(word).exists(), "{page} names `{word}`, which is not there");
            }
        }
        assert!(named > 0, "{page} names paths");
    }
}
