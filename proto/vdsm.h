// JSON-RPC as VDSM speaks it: queues, errors, status words.
#pragma once

#include "base/json.h"

#define VDSM_PORT          54321
#define VDSM_REQUESTS      "jms.topic.vdsm_requests"
#define VDSM_RESPONSES     "jms.topic.vdsm_responses"
#define VDSM_SPM_REQUESTS  "jms.topic.vdsm_irs_requests"
#define VDSM_SPM_RESPONSES "jms.topic.vdsm_irs_responses"
#define VDSM_EVENTS        "jms.queue.events"

typedef enum VdsmError {
    VDSM_OK = 0,
    VDSM_PARSE_ERROR = -32700,
    VDSM_INVALID_REQUEST = -32600,
    VDSM_METHOD_NOT_FOUND = -32601,
    VDSM_INVALID_PARAMS = -32602,
    VDSM_INTERNAL_ERROR = -32603,
#define VDSM_ERROR(number, name, text) VDSM_##name = number,
#include "proto/vdsm_errors.def"
#undef VDSM_ERROR
} VdsmError;

// "Virtual machine does not exist"; a general text for numbers we don't know.
const char *vdsm_error_text(int number);

// {"jsonrpc":"2.0","method":..,"params":PARAMS,"id":..}; params is a JSON object's text.
void vdsm_write_request(StrBuf *out, const char *method, const char *params, const char *id);
// {"jsonrpc":"2.0","id":..,"result":RESULT}; result is JSON text.
void vdsm_write_result(StrBuf *out, const Json *id, const char *result);
void vdsm_write_error(StrBuf *out, const Json *id, int number, const char *message);
// {"jsonrpc":"2.0","method":"|virt|VM_status|ID","params":{...}}
void vdsm_write_event(StrBuf *out, const char *method, const char *params);
