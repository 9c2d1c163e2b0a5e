#!/usr/bin/env bash
# Runs units of Redis's own Tcl test suite (which tests/fetch-peers.sh fetches) against a server.
#
# usage: tests/tcl/run.sh [-t SECONDS] [-o LOGS] [-x "RUNTEST ARGUMENTS"] SERVER [UNIT|GROUP]...
#   SERVER  the binary under test, by default taken in place of redis-server; its siblings viator-cli, viator-benchmark,
#           viator-check-vdb, viator-check-aof and viator-sentinel stand in for the tools where they exist
#   GROUP   type | unit | cluster | integration | all; without UNIT or GROUP: the claims of tests/tcl/units.txt
#   -t      seconds that a unit may take (600)          -o  folder of the logs, one for each unit
#   -j      units run at the same time (1)
# Tests of replication and of clusters, which are not there yet, are left out: they would wait for what does not come. So are
# those of skip.txt, which kill a forked child (nothing is forked here) or start a replica without being tagged so.
# One unit per process, so that a crash costs one unit. A line per unit: tests passed, how many a real Redis 8.2.3
# passes (tests/tcl/baseline.tsv), and of the claims how many must pass. The exit status is 1 if a claim is not met. Many
# of these tests measure time: a unit that falls below its claim is run once more, alone, before that counts.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
TREE=${VIATOR_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/viator-peers}/suite
LIMIT=600 LOGS='' EXTRA='' JOBS=1
while getopts t:o:x:j: flag; do
  case $flag in t) LIMIT=$OPTARG ;; o) LOGS=$OPTARG ;; x) EXTRA=$OPTARG ;; j) JOBS=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { sed -n '2,15p' "$0" >&2; exit 2; }
SERVER=$(readlink -f "$1"); shift
[ -x "$SERVER" ] || { echo "no such server: $SERVER" >&2; exit 2; }
[ -x "$TREE/runtest" ] || { echo "the suite is not installed: run tests/fetch-peers.sh" >&2; exit 2; }

WORK=$(mktemp -d "${TMPDIR:-/tmp}/viator-tcl.XXXXXX")
LOGS=${LOGS:-$WORK/logs}
mkdir -p "$LOGS"
LOGS=$(readlink -f "$LOGS")
# Servers that a crashed unit left behind: only those whose working directory is in our folder.
sweep() {
  local p cwd
  for p in /proc/[0-9]*; do
    cwd=$(readlink "$p/cwd" 2>/dev/null) || continue
    case $cwd in "$1"/*) kill -9 "${p#/proc/}" 2>/dev/null ;; esac
  done
}
trap 'sweep "$WORK"' EXIT

tree() { # FOLDER: a copy of the suite to run in, with SERVER in the place of redis-server
  mkdir -p "$1/src"
  cp -r "$TREE/tests" "$1/"
  cp "$TREE"/runtest* "$TREE"/*.conf "$1/"
  ln -s "$TREE/utils" "$1/utils"
  ln -s "$SERVER" "$1/src/redis-server"
  local tool ours
  for tool in cli benchmark check-aof check-rdb sentinel; do
    ours=$(dirname "$SERVER")/viator-${tool/rdb/vdb}
    [ -x "$ours" ] || ours=$TREE/../bin/redis-$tool-8.6
    [ -x "$ours" ] || ours=$(command -v "redis-$tool" || echo /nonexistent)
    ln -s "$ours" "$1/src/redis-$tool"
  done
}

export TERM=dumb LC_ALL=C.UTF-8
CLAIMS=$HERE/units.txt
claim() { awk -F'\t' -v u="$1" '$1==u{print $2}' "$CLAIMS" 2>/dev/null; }
known=$(cd "$TREE" && ./runtest --list-tests | grep -v moduleapi)
units=()
if [ $# -eq 0 ]; then
  mapfile -t units < <(grep -v '^#' "$CLAIMS" | awk -F'\t' 'NF>1{print $1}')
fi
for arg; do
  case $arg in
    all) mapfile -t -O ${#units[@]} units <<<"$known" ;;
    type) mapfile -t -O ${#units[@]} units < <(grep '^unit/type/' <<<"$known") ;;
    unit) mapfile -t -O ${#units[@]} units < <(grep -E '^unit/[^/]+$' <<<"$known") ;;
    cluster | integration) mapfile -t -O ${#units[@]} units < <(grep "^\(unit/\)\?$arg/" <<<"$known") ;;
    *) units+=("$arg") ;;
  esac
done

one() { # UNIT: runs it; prints its line; the last field says whether its claim is met
  local unit=$1 name log begin rc passed errors exceptions base want verdict=ok
  name=$(tr / _ <<<"$unit")
  log=$LOGS/$name.log
  tree "$WORK/$name"
  begin=$SECONDS
  (cd "$WORK/$name" && exec timeout -k 5 "$LIMIT" ./runtest --tags "-cluster -needs:repl" --skipfile "$HERE/skip.txt" --durable --clients 1 --timeout "$LIMIT" \
    --baseport $((24000 + ($2 % 16) * 300)) --single "$unit" $EXTRA) >"$log" 2>&1
  rc=$?
  passed=$(grep -ac '^\[ok\]' "$log")
  errors=$(grep -ac '^\[err\]' "$log")
  exceptions=$(grep -acE '^\[exception\]|^\[TIMEOUT\]' "$log")
  [ $rc = 124 ] || [ $rc = 137 ] && exceptions=timeout
  base=$(awk -F'\t' -v u="$unit" '$1==u{print $2}' "$HERE/baseline.tsv")
  want=$(claim "$unit")
  [ -n "$want" ] && [ "$passed" -lt "$want" ] && verdict=REGRESSION
  printf '%s\t%d passed of %s\terrors %d\texceptions %s\tclaimed %s\t%ds\t%s\n' "$unit" "$passed" "${base:-?}" "$errors" \
    "$exceptions" "${want:--}" $((SECONDS - begin)) "$verdict"
  sweep "$WORK/$name"
  rm -rf "${WORK:?}/$name"
}

: >"$WORK/results"
n=0
for unit in "${units[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n; done
  one "$unit" $((n++)) | tee -a "$WORK/results" &
done
wait
passed=$(awk -F'\t' '{split($2,a," "); n+=a[1]} END{print n+0}' "$WORK/results")
base=$(awk -F'\t' '{split($2,a," "); n+=a[4]} END{print n+0}' "$WORK/results")
bad=0
while IFS=$'\t' read -r unit _; do
  echo "once more, alone: $unit"
  one "$unit" 15 | tee "$WORK/again"
  grep -q 'REGRESSION$' "$WORK/again" && bad=$((bad + 1))
done < <(grep 'REGRESSION$' "$WORK/results")
echo "logs: $LOGS"
echo "${#units[@]} units: $passed passed of $base, $bad below their claim"
[ "$bad" = 0 ]
