#!/bin/sh
# What a careful person would write instead: clone, install from the warm cache, test, start three processes, wait for health.
# usage: bare.sh REPOSITORY DIRECTORY FIRST_PORT PIDFILE
set -eu
repository=$1 directory=$2 port=$3 pids=$4
git clone --quiet "$repository" "$directory"
cd "$directory"
npm ci --prefer-offline --no-audit --no-fund --loglevel=error >/dev/null 2>&1
npm test >/dev/null 2>&1
for offset in 0 1 2; do
  PORT=$((port + offset)) node src/server.js >/dev/null 2>&1 &
  echo $! >>"$pids"
done
for offset in 0 1 2; do
  tries=0
  until curl -fsS -o /dev/null "http://127.0.0.1:$((port + offset))/health" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || exit 1
    sleep 0.05
  done
done
