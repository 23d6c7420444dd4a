#!/bin/sh
# First arguments that are options or a configuration file are redis-server's; the server runs as user redis.
set -e
case "${1:-}" in -*|*.conf) set -- redis-server "$@";; esac
if [ "$1" = redis-server ]; then
  shift
  case "${1:-}" in
    *.conf) conf=$1; shift; set -- redis-server "$conf" "$@";;
    # The official build answers beyond the loopback without a password; Debian's does so when told.
    *) set -- redis-server --protected-mode no "$@";;
  esac
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    set -- setpriv --reuid redis --regid redis --clear-groups -- "$@"
  fi
fi
exec "$@"
