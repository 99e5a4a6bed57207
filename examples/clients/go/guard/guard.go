// Package guard lets a request pass only if Keyward says that its API key may do this: one Check for each request. http.go
// is middleware for net/http, grpc.go an interceptor for gRPC.
package guard

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	keywardv1 "example.com/service/gen/keyward/v1"
)

// How long a request waits for Keyward at most, all tries together.
const deadline = 200 * time.Millisecond

// What says UNAVAILABLE was not charged, so one more try is safe. (Where the connection broke under the answer, the key
// pays twice: never too little.) A denial is an answer and is not tried again; a deadline that has passed leaves no time to.
const retry = `{"methodConfig": [{
	"name": [{"service": "keyward.v1.KeyService", "method": "Check"}],
	"retryPolicy": {
		"maxAttempts": 2,
		"initialBackoff": "0.01s",
		"maxBackoff": "0.01s",
		"backoffMultiplier": 1,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

// What gRPC says where nobody is at the other end. Whoever answers, whatever it is, or takes a connection and is silent, is
// there: UNAVAILABLE by itself, or a deadline that has passed, is no absence.
const nobody = "Error while dialing"

// Only these are told to the holder of a good key. All others, and those to come, are one 401: a stranger must not
// learn whether a key ever existed.
var forbidden = []string{
	"SCOPE_INSUFFICIENT",
	"RESOURCE_NOT_GRANTED",
	"ROLE_INSUFFICIENT",
	"ADDRESS_NOT_ALLOWED",
	"WORKSPACE_MISMATCH",
	"WORKSPACE_SUSPENDED",
	"ENVIRONMENT_MISMATCH",
}

var spent = map[string]string{"RATE_LIMITED": "Rate limit exceeded.", "QUOTA_EXCEEDED": "Quota exceeded."}

// A Guard asks one Keyward, over one connection.
type Guard struct {
	Keyward keywardv1.KeyServiceClient
	// An administration key with `keys:check`, which Keyward asks for beyond loopback.
	CallerKey string
	// While no connection to Keyward can be made, whoever presents a credential gets through unchecked, instead of a 503.
	FailOpen bool
}

// Dial makes the connection of a Guard. It is made again by itself whenever it was lost.
func Dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retry),
		// Else gRPC waits for up to two minutes before it tries to reach a Keyward that was away.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}),
	)
}

// What is asked, and of whom.
type request struct {
	authorization, keys []string
	remote              string
	name                string
	scopes              []string
}

// A refusal is what the client is told.
type refusal struct {
	status        int
	code, message string
	header        map[string]string
}

// What became of a request: refused, or let through with the key of who asks, nil if unchecked.
type verdict struct {
	refused *refusal
	key     *keywardv1.CheckedKey
	limits  map[string]string
}

func (guard *Guard) decide(ctx context.Context, asked request) verdict {
	apiKey, refused := credential(asked.authorization, asked.keys)
	if refused != nil {
		return verdict{refused: refused}
	}
	// The client's own deadline must not be what makes Keyward look away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if guard.CallerKey != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+guard.CallerKey)
	}
	source, _, _ := net.SplitHostPort(asked.remote)
	answer, err := guard.Keyward.Check(ctx, &keywardv1.CheckRequest{
		// The wire takes no other bytes; with U+FFFD in it, it is no key.
		Subject: &keywardv1.CheckRequest_ApiKey{ApiKey: strings.ToValidUTF8(apiKey, "\uFFFD")},
		Scopes:  asked.scopes,
		Context: &keywardv1.CheckContext{SourceAddress: source},
	})
	if err != nil {
		slog.Error("keyward: no answer: " + described(err))
		if !guard.FailOpen || !isAway(err) {
			return verdict{refused: undecided}
		}
		slog.Warn("keyward: let through unchecked: " + asked.name)
		return verdict{}
	}
	if !answer.GetAllowed() {
		return verdict{refused: denied(answer, asked.scopes)}
	}
	return verdict{key: answer.GetKey(), limits: limits(answer)}
}

var bearer = regexp.MustCompile(`(?i)(^|,)\s*bearer\b`)

// The one credential of the two headers, or a refusal. What is in it is for Keyward to judge.
func credential(authorization, keys []string) (string, *refusal) {
	presented := map[string]bool{}
	several := len(authorization) > 1 || len(keys) > 1
	for _, value := range authorization {
		// Another scheme is not ours, unless a proxy has joined a Bearer to it.
		if bearer.MatchString(value) {
			presented[value[min(len("bearer "), len(value)):]] = true
			several = several || strings.Contains(value, ",")
		}
	}
	for _, value := range keys {
		presented[value] = true
		several = several || strings.Contains(value, ",")
	}
	delete(presented, "")
	if several || len(presented) > 1 {
		return "", ambiguous
	}
	for apiKey := range presented {
		return apiKey, nil
	}
	return "", missing
}

// Whether Keyward is away, and not one that is there and does not decide: that one says why.
func isAway(err error) bool {
	failed := status.Convert(err)
	return failed.Code() == codes.Unavailable && len(failed.Details()) == 0 && strings.Contains(failed.Message(), nobody)
}

// The code of an error, and the reason that Keyward gives. There is no secret in either.
func described(err error) string {
	failed := status.Convert(err)
	for _, detail := range failed.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return fmt.Sprintf("%s, %s %v", failed.Code(), info.GetReason(), info.GetMetadata())
		}
	}
	return fmt.Sprintf("%s, %s", failed.Code(), failed.Message())
}

const realm = `Bearer realm="api"`

var (
	missing = &refusal{
		http.StatusUnauthorized, "CREDENTIALS_MISSING", "An API key is required.",
		map[string]string{"WWW-Authenticate": realm},
	}
	invalid = &refusal{
		http.StatusUnauthorized, "CREDENTIALS_INVALID", "The API key is not valid.",
		map[string]string{"WWW-Authenticate": realm + `, error="invalid_token"`},
	}
	ambiguous = &refusal{
		http.StatusBadRequest, "CREDENTIALS_AMBIGUOUS", "More than one API key was presented. Send exactly one.",
		map[string]string{"WWW-Authenticate": realm + `, error="invalid_request"`},
	}
	undecided = &refusal{
		http.StatusServiceUnavailable, "UNAVAILABLE", "The request cannot be authorized at the moment. Try again.",
		map[string]string{"Retry-After": "1"},
	}
)

// What the client is told of a denial. The exact reason is for the log.
func denied(answer *keywardv1.CheckResponse, scopes []string) *refusal {
	denial := answer.GetDenial()
	reason := strings.TrimPrefix(denial.GetReason().String(), "DENIAL_REASON_")
	slog.Info("keyward: denied: "+reason, "key", answer.GetKey().GetId())
	header := limits(answer)
	if what, ok := spent[reason]; ok {
		if denial.GetRetryAfter() == nil {
			return &refusal{http.StatusTooManyRequests, reason, what + " It costs more than the limit admits.", header}
		}
		seconds := strconv.FormatInt(denial.GetRetryAfter().GetSeconds(), 10)
		header["Retry-After"] = seconds
		return &refusal{http.StatusTooManyRequests, reason, what + " Retry after " + seconds + " seconds.", header}
	}
	if slices.Contains(forbidden, reason) {
		header["WWW-Authenticate"] = fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, realm, strings.Join(scopes, " "))
		return &refusal{http.StatusForbidden, reason, denial.GetMessage(), header}
	}
	return invalid
}

// How the scarcest limit stands; on a 429 that is one that is spent.
func limits(answer *keywardv1.CheckResponse) map[string]string {
	if len(answer.GetLimits()) == 0 {
		return map[string]string{}
	}
	share := func(limit *keywardv1.LimitState) float64 {
		return float64(limit.GetRemaining()) / float64(limit.GetLimit())
	}
	scarcest := slices.MinFunc(answer.GetLimits(), func(one, other *keywardv1.LimitState) int {
		later := other.GetResetTime().AsTime().Compare(one.GetResetTime().AsTime())
		return cmp.Or(cmp.Compare(share(one), share(other)), later)
	})
	reset := scarcest.GetResetTime().AsTime().Add(time.Second - time.Nanosecond).Unix()
	return map[string]string{
		"X-RateLimit-Limit":     strconv.FormatUint(scarcest.GetLimit(), 10),
		"X-RateLimit-Remaining": strconv.FormatUint(scarcest.GetRemaining(), 10),
		"X-RateLimit-Reset":     strconv.FormatInt(reset, 10),
	}
}
