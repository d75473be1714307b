// Which manager, as whom: from a connection file or from what `vireo login` has left.
#pragma once

#include "base/strbuf.h"
#include "cli/client/http_client.h"

typedef struct Session {
    char *url; // "https://host:8443"
    char *user, *token;
    char *password; // only from a connection file
    char *ca_file;
    char *file; // where the token is kept
    HttpClient *http;
} Session;

// `connection` is a connection.json; NULL takes $VIREO_CONNECTION or else the login. The token may
// be missing (then there is a password) or too old.
int session_open(const char *connection, Session *ret, Fail *why);
void session_done(Session *session);
// Gets a token for the password and keeps it.
int session_authenticate(Session *session, const char *password, Fail *why);
int session_save(const Session *session, Fail *why);
// The login of the user's own, as `vireo login` makes it. The caller frees the names.
char *session_file(void);
char *session_ca_file(void);
// "https://host:8443" of what people and files write: "host", "host:8443", a URL with a path.
// NULL when it is none.
char *url_origin(const char *text);
// Adds "name=value" to a form or query, with & in front unless it is the first.
void form_add(StrBuf *form, const char *name, const char *value);
