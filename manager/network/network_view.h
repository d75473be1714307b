// Networks as the API shows them.
#pragma once

#include "manager/rest/items.h"

ItemView network_view;
