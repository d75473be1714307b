// Who may do what: the internal directory, logins, tokens.
#pragma once

#include "manager/inventory/change.h"
#include "manager/rest/request.h"

typedef struct Identity Identity;

Identity *identity_new(Manager *manager);
void identity_free(Identity *identity);

typedef void (*IdentityFound)(const User *user, const Fail *why, void *argument);

// Who sends this request: bearer token, Basic, or session cookie. UNAUTHENTICATED otherwise.
void identity_of_request(Identity *identity, Request *request, IdentityFound found);
// The same for requests outside the API.
void identity_of_http(Identity *identity, Http *http, const char *token, IdentityFound found,
                      void *argument);

// Checks a password; failures lock the account. `name` may be "admin" or "admin@internal".
void identity_login(Identity *identity, const char *name, const char *password, const char *source,
                    IdentityFound found, void *argument);
// A new session for a user. It lasts `minutes` when that is shorter than configured (0: as
// configured). The token is the caller's to free; it is valid when the change is durable.
char *identity_new_session(Identity *identity, Change *change, const User *user, const char *scope,
                           int minutes, int64_t *ret_expires_ms);
// NULL when there is no such session any more.
Entity *identity_session(Identity *identity, const char *token);
bool identity_user(Identity *identity, const Entity *entity, User *ret);

// Hashing is slow on purpose and runs on the pool.
typedef void (*PasswordHashed)(const char *hash, void *argument);
void password_hash(uv_loop_t *loop, const char *password, PasswordHashed done, void *argument);
// Waiting; for the first start and tests.
char *password_hash_now(const char *password);
bool password_acceptable(const char *password, Fail *why);

// Random text of 43 characters, 256 bits.
char *token_new(void);
// 36 hexadecimal digits (144 bits) of the SHA-256: what the store holds of a token.
void token_digest(const char *token, char digest[UUID_SIZE]);

// Requests under SSO_PREFIX, and the log-out service.
void sso_handle(Manager *manager, Http *http, const char *path);
void sso_logout(Manager *manager, Http *http);
