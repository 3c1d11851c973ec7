# webtunnel_server.sh [--loopback] PROGRAM: WebTunnel's server, started by a parent that knows
# nothing of it. It needs a port that is known beforehand and its own URL, which its clients get from
# it; other than that it gets what the parent has set, right or wrong. The port is made of the process
# id, for a network namespace in which nobody else listens (namespace.ts). There the server listens at
# an address that looks public, because the official client connects to no other; with --loopback it
# stays where the parent wants it.
set -u
public=203.0.113.5
[ "${1-}" = --loopback ] && public=127.0.0.1 && shift
bind=${TOR_PT_SERVER_BINDADDR-}
url='url=http\://127.0.0.1\:1/secret'
case ",$bind" in
*,webtunnel-*:*)
  before=${bind%webtunnel-*} address=${bind##*webtunnel-}
  after=${address#"${address%%,*}"} address=${address%%,*}
  host=${address%:*} port=${address##*:}
  [ "$host" = 127.0.0.1 ] && [ "$port" = 0 ] && host=$public
  [ "$port" = 0 ] && port=$((10000 + $$ % 20000))
  url=$(printf %s "url=http://$host:$port/secret" | sed 's/:/\\:/g')
  export TOR_PT_SERVER_BINDADDR="${before}webtunnel-$host:$port$after"
  ;;
esac
options=${TOR_PT_SERVER_TRANSPORT_OPTIONS+;$TOR_PT_SERVER_TRANSPORT_OPTIONS}
[ -n "${TOR_PT_SERVER_TRANSPORTS-}" ] &&
  export TOR_PT_SERVER_TRANSPORT_OPTIONS="webtunnel:$url$options"
exec "$@"
