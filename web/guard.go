package web

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"smiley/recording"
)

// policy lets pages use what this server has and nothing else: no inline scripts or styles, no frames, no other sites.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const tokenCookie = "smiley_token"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	// Without any referrer, browsers would not say where a form of ours comes from either.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")

	if r.URL.Path != "/live" { // watches for as long as its page is open
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		r = r.WithContext(ctx)
	}
	r.Body = http.MaxBytesReader(w, r.Body, requestBytes)

	if err := s.stranger(r); err != nil {
		s.refuse(w, r, http.StatusForbidden, err)
		return
	}
	if s.Token != "" && !s.admit(w, r) {
		return
	}
	path, isJSON := strings.CutSuffix(r.URL.Path, ".json")
	if isJSON && !strings.HasPrefix(path, "/static/") {
		address := *r.URL
		address.Path, address.RawPath = path, ""
		if path == "/runs" {
			address.Path = "/"
		}
		r.URL = &address
		r = r.WithContext(context.WithValue(r.Context(), wantsJSON{}, true))
	}
	handler, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.nowhere(w, r, handler)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// stranger finds out whether a request comes from a page that is not ours. A name that is not ours means that somebody's
// DNS gave it our address; a foreign origin means that somebody's page asks in a person's name.
func (s *Server) stranger(r *http.Request) *recording.Error {
	if !s.known(r.Host) {
		return recording.Errorf(recording.CodePermission, "this server does not answer to the name %q", r.Host).
			WithHint("use the address that smiley server printed when it started")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if from, err := url.Parse(origin); err != nil || from.Host != r.Host {
			return recording.Errorf(recording.CodePermission, "pages of other sites may not ask this server").
				WithHint("open the address of smiley server in a tab of its own")
		}
	}
	embedded := r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
	if embedded || s.origins.Check(r) != nil {
		return recording.Errorf(recording.CodePermission, "pages of other sites may not ask this server").
			WithHint("open the address of smiley server in a tab of its own")
	}
	return nil
}

// known reports whether a Host header names this server.
func (s *Server) known(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" {
		return true
	}
	if address, err := netip.ParseAddr(host); err == nil && address.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(s.Hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// admit lets in who has the token, and remembers it in a cookie so that it leaves the address at once.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	if cookie, err := r.Cookie(tokenCookie); err == nil && same(cookie.Value, s.Token) {
		return true
	}
	query := r.URL.Query()
	if !same(query.Get("token"), s.Token) {
		s.refuse(w, r, http.StatusUnauthorized, recording.Errorf(recording.CodePermission, "this server asks for its token").
			WithHint("open the address with ?token= that smiley server printed when it started"))
		return false
	}
	http.SetCookie(w, &http.Cookie{
		Name: tokenCookie, Value: s.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil,
	})
	query.Del("token")
	address := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: query.Encode()}
	http.Redirect(w, r, address.String(), http.StatusSeeOther)
	return false
}

// same compares secrets in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// allowed checks that a form which changes something came from a page of ours.
func (s *Server) allowed(r *http.Request) error {
	if s.ReadOnly {
		return recording.Errorf(recording.CodePermission, "this server only reads").
			WithHint("delete runs on the machine that keeps them: smiley delete RUN")
	}
	if !same(r.PostFormValue("token"), s.formToken) {
		return recording.Errorf(recording.CodePermission, "the page was too old to change anything").
			WithHint("go back, reload the page, and try again")
	}
	return nil
}
