package guard

import (
	"context"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

var grpcCodes = map[int]codes.Code{
	http.StatusBadRequest:         codes.InvalidArgument,
	http.StatusUnauthorized:       codes.Unauthenticated,
	http.StatusForbidden:          codes.PermissionDenied,
	http.StatusTooManyRequests:    codes.ResourceExhausted,
	http.StatusServiceUnavailable: codes.Unavailable,
}

// GRPC guards unary methods: `needs` has the scopes of each, by its full name. What is not in it is closed to all.
func (guard *Guard) GRPC(needs map[string][]string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, message any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		scopes, known := needs[info.FullMethod]
		if !known {
			return nil, status.Error(codes.PermissionDenied, "No API key gives access to this.")
		}
		sent, _ := metadata.FromIncomingContext(ctx)
		asked := request{
			authorization: sent.Get("authorization"),
			keys:          sent.Get("x-api-key"),
			name:          info.FullMethod,
			scopes:        scopes,
		}
		if client, ok := peer.FromContext(ctx); ok {
			asked.remote = client.Addr.String()
		}
		decided := guard.decide(ctx, asked)
		if refused := decided.refused; refused != nil {
			return nil, status.Error(grpcCodes[refused.status], refused.message)
		}
		return next(context.WithValue(ctx, keyOfContext{}, decided.key), message)
	}
}
