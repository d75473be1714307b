// Icons of guests' operating systems.
#pragma once

#include "model/operating_system.h"

// The id of the icon of a family, at /icons/ID.
const char *icon_id(OsFamily family, bool large);
