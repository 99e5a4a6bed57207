package guard

import (
	"context"
	"encoding/json"
	"net/http"

	keywardv1 "example.com/service/gen/keyward/v1"
)

type keyOfContext struct{}

// Key tells whose key a request that was let through came with; nil if unchecked.
func Key(ctx context.Context) *keywardv1.CheckedKey {
	key, _ := ctx.Value(keyOfContext{}).(*keywardv1.CheckedKey)
	return key
}

// HTTP guards a handler: for holders of all these scopes.
func (guard *Guard) HTTP(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		decided := guard.decide(r.Context(), request{
			authorization: r.Header.Values("Authorization"),
			keys:          r.Header.Values("X-Api-Key"),
			remote:        r.RemoteAddr,
			name:          r.Method + " " + r.URL.Path,
			scopes:        scopes,
		})
		if decided.refused != nil {
			decided.refused.write(w)
			return
		}
		setAll(w.Header(), decided.limits)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), keyOfContext{}, decided.key)))
	})
}

func (refused *refusal) write(w http.ResponseWriter) {
	setAll(w.Header(), map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"})
	setAll(w.Header(), refused.header)
	w.WriteHeader(refused.status)
	fault := map[string]string{"code": refused.code, "message": refused.message}
	// A client that has gone away is told nothing.
	_ = json.NewEncoder(w).Encode(map[string]any{"success": false, "error": fault})
}

func setAll(header http.Header, values map[string]string) {
	for name, value := range values {
		header.Set(name, value)
	}
}
