#include "proto/vdsm.h"

#include <string.h>

static const struct {
    int number;
    const char *text;
} error_rows[] = {
    {VDSM_PARSE_ERROR, "The request is no valid JSON"},
    {VDSM_INVALID_REQUEST, "The request is no valid JSON-RPC"},
    {VDSM_METHOD_NOT_FOUND, "The method does not exist"},
    {VDSM_INVALID_PARAMS, "The parameters are not valid"},
    {VDSM_INTERNAL_ERROR, "Internal JSON-RPC error"},
#define VDSM_ERROR(number, name, text) {number, text},
#include "proto/vdsm_errors.def"
#undef VDSM_ERROR
};

const char *vdsm_error_text(int number)
{
    for (size_t i = 0; i < COUNT_OF(error_rows); i++)
        if (error_rows[i].number == number)
            return error_rows[i].text;
    return "Unknown error";
}

void vdsm_write_request(StrBuf *out, const char *method, const char *params, const char *id)
{
    JsonWriter writer = {.out = out};
    json_open(&writer, '{');
    json_add_string(&writer, "jsonrpc", "2.0");
    json_add_string(&writer, "method", method);
    json_key(&writer, "params");
    json_put_raw(&writer, params, strlen(params));
    json_add_string(&writer, "id", id);
    json_close(&writer, '}');
}

static void vdsm_begin_response(JsonWriter *writer, const Json *id)
{
    json_open(writer, '{');
    json_add_string(writer, "jsonrpc", "2.0");
    json_key(writer, "id");
    json_put(writer, id);
}

void vdsm_write_result(StrBuf *out, const Json *id, const char *result)
{
    JsonWriter writer = {.out = out};
    vdsm_begin_response(&writer, id);
    json_key(&writer, "result");
    json_put_raw(&writer, result, strlen(result));
    json_close(&writer, '}');
}

void vdsm_write_error(StrBuf *out, const Json *id, int number, const char *message)
{
    JsonWriter writer = {.out = out};
    vdsm_begin_response(&writer, id);
    json_key(&writer, "error");
    json_open(&writer, '{');
    json_add_integer(&writer, "code", number);
    json_add_string(&writer, "message", message);
    json_close(&writer, '}');
    json_close(&writer, '}');
}

void vdsm_write_event(StrBuf *out, const char *method, const char *params)
{
    JsonWriter writer = {.out = out};
    json_open(&writer, '{');
    json_add_string(&writer, "jsonrpc", "2.0");
    json_add_string(&writer, "method", method);
    json_key(&writer, "params");
    json_put_raw(&writer, params, strlen(params));
    json_close(&writer, '}');
}
