// Asks Keyward with Connect, by Connect's gRPC transport and the code that `buf generate` makes.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { DenialReason, KeyService } from "./gen/keyward/v1/key_service_pb.js";

// Milliseconds that a request waits for Keyward at most, all tries together.
const DEADLINE = 200;
const TRIES = 2;

// What Node says where nobody is at the other end. Whoever answers, whatever it is, or takes a connection and is silent, is
// there: UNAVAILABLE by itself, or a deadline that has passed, is no absence.
const NOBODY = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"];

/**
 * Holds the one connection to Keyward. `callerKey`: an administration key with `keys:check`, where Keyward listens beyond loopback.
 * `tls`: `ca`, `cert` and `key` in PEM, where Keyward speaks TLS; the last two where it asks who calls.
 */
export function connect(address, callerKey, tls) {
  const baseUrl = `${tls ? "https" : "http"}://${address}`;
  const client = createClient(KeyService, createGrpcTransport({ baseUrl, nodeOptions: tls }));
  const headers = callerKey ? { authorization: `Bearer ${callerKey}` } : {};

  return async ({ apiKey, scopes, sourceAddress }) => {
    const request = { subject: { case: "apiKey", value: apiKey }, scopes, context: { sourceAddress } };
    const end = Date.now() + DEADLINE;
    for (let tries = 1; ; tries++) {
      try {
        const answer = await client.check(request, { timeoutMs: end - Date.now(), headers });
        return { ...answer, reason: answer.denial && DenialReason[answer.denial.reason] };
      } catch (caught) {
        const error = ConnectError.from(caught);
        // What says UNAVAILABLE was not charged, so one more try is safe. (Where the connection broke under the answer,
        // the key pays twice: never too little.) A denial is an answer and is not tried again.
        if (error.code !== Code.Unavailable || tries === TRIES || Date.now() >= end) throw outage(error);
      }
    }
  };
}

/** The code of an error, and the reason that Keyward gives. There is no secret in either. */
function outage(error) {
  const [info] = error.findDetails(ErrorInfoSchema);
  const reason = info ? `${info.reason} ${JSON.stringify(info.metadata)}` : error.rawMessage;
  const isAway = error.code === Code.Unavailable && !info && NOBODY.includes(error.cause?.code);
  return Object.assign(new Error(`${Code[error.code]}, ${reason}`), { isAway });
}
