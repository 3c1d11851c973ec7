# webtunnel_server.sh PROGRAM: WebTunnel's server, started by a parent that knows nothing of it.
# It needs a port that is known beforehand and its own URL, which its clients get from it; other
# than that it gets what the parent has set, right or wrong. The port is made of the process id,
# for a network namespace in which nobody else listens (namespace.ts). There the server listens at
# an address that looks public, because its own client connects to no other.
set -u
bind=${TOR_PT_SERVER_BINDADDR-}
case ",$bind" in
*,webtunnel-*:*)
  before=${bind%webtunnel-*} address=${bind##*webtunnel-}
  after=${address#"${address%%,*}"} address=${address%%,*}
  host=${address%:*} port=${address##*:}
  [ "$host" = 127.0.0.1 ] && [ "$port" = 0 ] && host=203.0.113.5
  [ "$port" = 0 ] && port=$((10000 + $$ % 20000))
  url=$(printf %s "url=http://$host:$port/secret" | sed 's/:/\\:/g')
  options=${TOR_PT_SERVER_TRANSPORT_OPTIONS+;$TOR_PT_SERVER_TRANSPORT_OPTIONS}
  export TOR_PT_SERVER_BINDADDR="${before}webtunnel-$host:$port$after"
  export TOR_PT_SERVER_TRANSPORT_OPTIONS="webtunnel:$url$options"
  ;;
esac
exec "$@"
