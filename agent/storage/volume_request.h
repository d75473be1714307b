// Parameters of Volume.create as they come from the peer.
#pragma once

#include "agent/storage/volume.h"
#include "base/json.h"

// The strings live in the JSON.
int volume_request_parse(const Json *parameters, VolumeRequest *ret, Fail *why);
// Numbers or names, as a number or a string.
int json_word(const Json *value, int (*from_text)(const char *text));
