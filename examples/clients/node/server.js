// A service whose endpoints Keyward guards: KEYWARD_ADDRESS=127.0.0.1:50051 PORT=8000 node server.js [grpc-js|connect]

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { makeGuard } from "./guard.js";

const { KEYWARD_ADDRESS = "127.0.0.1:50051", KEYWARD_ADMIN_KEY, FAIL_OPEN, PORT = "8000" } = process.env;
const { KEYWARD_CA_FILE, KEYWARD_CLIENT_CERT, KEYWARD_CLIENT_KEY } = process.env;
const contents = (file) => file && readFileSync(file);
// TLS, where it is said whose word on Keyward's certificate is trusted.
const tls = KEYWARD_CA_FILE && {
  ca: contents(KEYWARD_CA_FILE),
  cert: contents(KEYWARD_CLIENT_CERT),
  key: contents(KEYWARD_CLIENT_KEY),
};
const client = process.argv[2] ?? "grpc-js";
const { connect } = await import(`./${client}.js`);
const guard = makeGuard(connect(KEYWARD_ADDRESS, KEYWARD_ADMIN_KEY, tls), { failOpen: FAIL_OPEN === "yes" });

const routes = new Map([
  ["GET /v1/templates", [guard("templates:read"), hello]],
  ["POST /v1/messages", [guard("messaging:send"), hello]],
]);

function hello(request, response) {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ key: request.keyward?.id ?? null, owner: request.keyward?.owner ?? null }));
}

function notFound(_request, response) {
  response.writeHead(404).end();
}

const server = createServer((request, response) => {
  const [path] = request.url.split("?");
  const [guarded, handler] = routes.get(`${request.method} ${path}`) ?? [notFound];
  guarded(request, response, () => handler(request, response));
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
