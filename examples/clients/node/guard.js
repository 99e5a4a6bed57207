// Middleware for node:http (and Express): a request passes only if Keyward says that its API key may do this.
// This half knows HTTP. `check`, of grpc-js.js or connect.js, asks Keyward, once for each request.

const SPENT = { RATE_LIMITED: "Rate limit exceeded.", QUOTA_EXCEEDED: "Quota exceeded." };
// Only these are told to the holder of a good key. All others, and those to come, are one 401: a stranger must not
// learn whether a key ever existed.
const FORBIDDEN = [
  "SCOPE_INSUFFICIENT",
  "RESOURCE_NOT_GRANTED",
  "ROLE_INSUFFICIENT",
  "ADDRESS_NOT_ALLOWED",
  "WORKSPACE_MISMATCH",
  "WORKSPACE_SUSPENDED",
  "ENVIRONMENT_MISMATCH",
];
const REALM = 'Bearer realm="api"';

/**
 * With `failOpen`, whoever presents a credential gets through unchecked while no connection to Keyward can be made, instead of a 503.
 * Gives `guard(...scopes)`, the middleware for holders of all these scopes. What follows finds the key in `request.keyward`; null if unchecked.
 */
export function makeGuard(check, { failOpen = false } = {}) {
  return (...scopes) =>
    async (request, response, next) => {
      const { apiKey, refusal } = credential(request.headersDistinct);
      if (refusal) return refuse(response, ...refusal);
      request.keyward = null;
      try {
        const answer = await check({ apiKey, scopes, sourceAddress: request.socket.remoteAddress });
        if (!answer.allowed) return deny(response, answer, scopes);
        request.keyward = answer.key;
        setHeaders(response, limits(answer));
      } catch (error) {
        console.error(`keyward: no answer: ${error.message}`);
        if (!(failOpen && error.isAway)) {
          const message = "The request cannot be authorized at the moment. Try again.";
          return refuse(response, 503, "UNAVAILABLE", message, { "retry-after": 1 });
        }
        console.warn(`keyward: let through unchecked: ${request.method} ${request.url.split("?")[0]}`);
      }
      next();
    };
}

/** The one credential of the two headers, or a refusal. What is in it is for Keyward to judge. */
function credential({ authorization = [], "x-api-key": keys = [] }) {
  // Another scheme is not ours, unless a proxy has joined a Bearer to it.
  const bearers = authorization.filter((value) => /(^|,)\s*bearer\b/i.test(value));
  const presented = [...bearers.map((value) => value.slice("bearer ".length)), ...keys].filter((value) => value);
  const isJoined = [...bearers, ...keys].some((value) => value.includes(","));
  if (authorization.length > 1 || keys.length > 1 || isJoined || new Set(presented).size > 1) {
    const message = "More than one API key was presented. Send exactly one.";
    return { refusal: [400, "CREDENTIALS_AMBIGUOUS", message, challenge("invalid_request")] };
  }
  if (presented.length === 0) {
    return { refusal: [401, "CREDENTIALS_MISSING", "An API key is required.", { "www-authenticate": REALM }] };
  }
  return { apiKey: presented[0] };
}

/** What the client is told of a denial. The exact reason is for the log. */
function deny(response, answer, scopes) {
  const { reason, denial } = answer;
  console.info(`keyward: denied: ${reason}, ${answer.key?.id ?? "no known key"}`);
  if (reason in SPENT) {
    const seconds = denial.retryAfter && Number(denial.retryAfter.seconds);
    const when = seconds ? `Retry after ${seconds} seconds.` : "It costs more than the limit admits.";
    const wait = seconds ? { "retry-after": seconds } : {};
    return refuse(response, 429, reason, `${SPENT[reason]} ${when}`, { ...wait, ...limits(answer) });
  }
  if (FORBIDDEN.includes(reason)) {
    const headers = { ...challenge("insufficient_scope", scopes), ...limits(answer) };
    return refuse(response, 403, reason, denial.message, headers);
  }
  refuse(response, 401, "CREDENTIALS_INVALID", "The API key is not valid.", challenge("invalid_token"));
}

function challenge(error, scopes) {
  const scope = scopes ? `, scope="${scopes.join(" ")}"` : "";
  return { "www-authenticate": `${REALM}, error="${error}"${scope}` };
}

/** How the scarcest limit stands; on a 429 that is one that is spent. */
function limits(answer) {
  const left = (limit) => Number(limit.remaining) / Number(limit.limit);
  const reset = (limit) => Number(limit.resetTime.seconds) + (limit.resetTime.nanos > 0 ? 1 : 0);
  const [scarcest] = [...answer.limits].sort((one, other) => left(one) - left(other) || reset(other) - reset(one));
  return scarcest
    ? {
        "x-ratelimit-limit": String(scarcest.limit),
        "x-ratelimit-remaining": String(scarcest.remaining),
        "x-ratelimit-reset": String(reset(scarcest)),
      }
    : {};
}

function setHeaders(response, headers) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function refuse(response, status, code, message, headers) {
  setHeaders(response, { "content-type": "application/json", "cache-control": "no-store", ...headers });
  response.statusCode = status;
  response.end(JSON.stringify({ success: false, error: { code, message } }));
}
