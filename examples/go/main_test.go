package main

import (
	"net/http/httptest"
	"testing"
)

func TestGreetsTheVisitorByName(t *testing.T) {
	recorder := httptest.NewRecorder()
	handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/?name=Ada", nil))
	if got := recorder.Body.String(); got != "Hello, Ada!\n" {
		t.Fatalf("got %q", got)
	}
}

func TestIsHealthy(t *testing.T) {
	recorder := httptest.NewRecorder()
	handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/health", nil))
	if recorder.Code != 200 {
		t.Fatalf("got %d", recorder.Code)
	}
}
