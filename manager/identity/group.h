// Groups of users. So far there is one, to which all belong.
#pragma once

// oVirt's id of it, which clients know.
#define GROUP_EVERYONE "eee00000-0000-0000-0000-123456789eee"
