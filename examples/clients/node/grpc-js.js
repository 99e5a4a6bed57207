// Asks Keyward with @grpc/grpc-js, which reads proto/ as it starts: no code is generated.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

// Milliseconds that a request waits for Keyward at most, all tries together.
const DEADLINE = 200;

// What says UNAVAILABLE was not charged, so one more try is safe. (Where the connection broke under the answer, the key
// pays twice: never too little.) A denial is an answer and is not tried again; a deadline that has passed leaves no time to.
const RETRY = {
  name: [{ service: "keyward.v1.KeyService", method: "Check" }],
  retryPolicy: {
    maxAttempts: 2,
    initialBackoff: "0.01s",
    maxBackoff: "0.01s",
    backoffMultiplier: 1,
    retryableStatusCodes: ["UNAVAILABLE"],
  },
};

const CHANNEL_OPTIONS = {
  "grpc.service_config": JSON.stringify({ methodConfig: [RETRY] }),
  // Else gRPC waits for up to two minutes before it tries to reach a Keyward that was away.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
};

// What gRPC says where nobody is at the other end. Whoever answers, whatever it is, or takes a connection and is silent, is
// there: UNAVAILABLE by itself, or a deadline that has passed, is no absence.
const NOBODY = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/;

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const definitions = loadSync(
  ["keyward/v1/key_service.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"],
  { includeDirs: [folder("proto"), folder("proto/third_party")], enums: String, longs: Number, defaults: true },
);
const { KeyService } = grpc.loadPackageDefinition(definitions).keyward.v1;

/**
 * Holds the one connection to Keyward. `callerKey`: an administration key with `keys:check`, where Keyward listens beyond loopback.
 * `tls`: `ca`, `cert` and `key` in PEM, where Keyward speaks TLS; the last two where it asks who calls.
 */
export function connect(address, callerKey, tls) {
  const credentials = tls
    ? grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null)
    : grpc.credentials.createInsecure();
  const client = new KeyService(address, credentials, CHANNEL_OPTIONS);
  const metadata = new grpc.Metadata();
  if (callerKey) metadata.set("authorization", `Bearer ${callerKey}`);

  return ({ apiKey, scopes, sourceAddress }) =>
    new Promise((resolve, reject) => {
      const request = { apiKey, scopes, context: { sourceAddress } };
      client.check(request, metadata, { deadline: Date.now() + DEADLINE }, (error, answer) => {
        if (error) return reject(outage(error));
        resolve({ ...answer, reason: answer.denial?.reason.replace("DENIAL_REASON_", "") });
      });
    });
}

/** The code of an error, and the reason that Keyward gives. There is no secret in either. */
function outage(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const details = bytes ? definitions["google.rpc.Status"].deserialize(bytes).details : [];
  const found = details.find((detail) => detail.type_url?.endsWith("/google.rpc.ErrorInfo"));
  const info = found && definitions["google.rpc.ErrorInfo"].deserialize(found.value);
  const reason = info ? `${info.reason} ${JSON.stringify(info.metadata)}` : error.details;
  const isAway = error.code === grpc.status.UNAVAILABLE && !bytes && NOBODY.test(error.details);
  return Object.assign(new Error(`${grpc.status[error.code]}, ${reason}`), { isAway });
}
