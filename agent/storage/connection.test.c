#include "agent/storage/connection.h"

#include <stdlib.h>
#include <string.h>

#include "agent/rpc/call.h"
#include "base/test.h"

// Nobody listens here.
void rpc_event(RpcServer *server, const char *method, StrBuf *params)
{
    (void)server;
    (void)method;
    (void)params;
}

static int options(DomainType type, const char *text, char **ret)
{
    AUTO_ARENA arena = {0};
    const char *error;
    size_t offset;
    arena_init(&arena, 1024);
    const Json *json = json_parse(&arena, text, strlen(text), &error, &offset);
    assert_non_null(json);
    return connection_options(type, json, ret, NULL);
}

TEST(options_of_nfs)
{
    static const char *const rows[][2] = {
        {"{}", "soft,nosharecache,timeo=100,retrans=3,nfsvers=3,nolock"},
        {"{\"protocol_version\":\"auto\"}", "soft,nosharecache,timeo=100,retrans=3,nolock"},
        {"{\"protocol_version\":4}", "soft,nosharecache,timeo=100,retrans=3,nfsvers=4"},
        {"{\"protocol_version\":\"4.2\",\"timeout\":\"600\",\"retrans\":6}",
         "soft,nosharecache,timeo=600,retrans=6,nfsvers=4,minorversion=2"},
        {"{\"protocol_version\":\"4.1\",\"mnt_options\":\"sec=krb5\"}",
         "soft,nosharecache,timeo=100,retrans=3,nfsvers=4,minorversion=1,sec=krb5"},
        {"{\"mnt_options\":\"rsize=8192,lock\"}",
         "soft,nosharecache,timeo=100,retrans=3,nfsvers=3,rsize=8192,lock"},
        {"{\"mnt_options\":\"nolock\"}", "soft,nosharecache,timeo=100,retrans=3,nfsvers=3,nolock"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *text = NULL;
        assert_int_equal(options(DOMAIN_NFS, rows[i][0], &text), 0);
        assert_string_equal(text, rows[i][1]);
    }
}

TEST(bad_options)
{
    char *text = NULL;
    assert_int_equal(options(DOMAIN_NFS, "{\"protocol_version\":\"four\"}", &text),
                     VDSM_INVALID_PARAMETER_EXCEPTION);
    assert_int_equal(options(DOMAIN_NFS, "{\"protocol_version\":\"4,exec\"}", &text),
                     VDSM_INVALID_PARAMETER_EXCEPTION);
    assert_int_equal(options(DOMAIN_POSIXFS, "{\"mnt_options\":\"rw -t ext4\"}", &text),
                     VDSM_INVALID_PARAMETER_EXCEPTION);
    assert_null(text);
    assert_int_equal(options(DOMAIN_POSIXFS, "{}", &text), 0);
    assert_null(text);
}
