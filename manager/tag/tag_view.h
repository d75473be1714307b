// Tags as the API shows them.
#pragma once

#include "manager/rest/items.h"

ItemView tag_view;
