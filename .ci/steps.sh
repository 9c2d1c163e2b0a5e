# Sourced by the scripts beside it: steps that all run, also after one has failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export CI=true RUST_BACKTRACE=1 CARGO_TERM_COLOR=never
# Built artifacts of old dependency versions make a cached target folder grow; debug information is most of their size.
export CARGO_INCREMENTAL=0
failed=()

step() { # NAME COMMAND…
  local name=$1 begin=$SECONDS rc
  shift
  echo "::: $name"
  "$@"
  rc=$?
  echo "::: $name: $([ $rc = 0 ] && echo ok || echo "FAILED ($rc)"), $((SECONDS - begin)) s"
  [ $rc = 0 ] || failed+=("$name")
}

verdict() { # The exit status says whether all held.
  if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]} ($SECONDS s)"
    exit 1
  fi
  echo "all held ($SECONDS s)"
}
