// The serial console: HTTP/1.1 that goes on as the bytes of the line, raw in both directions, after
// GET /vireo/console/VMID/serial with "Upgrade: vireo-console". On a host it lies on the management
// port and is opened for the manager's certificate only; on the manager it is behind the login.
// A line has one viewer: a new one takes its place, and the old one is told. What the host has to
// say stands between the guest's output as a line of its own: "[vireo: ...]".
#pragma once

#define CONSOLE_PATH     "/vireo/console/"
#define CONSOLE_SERIAL   "/serial"
#define CONSOLE_PROTOCOL "vireo-console"
// Header from manager to host: who the viewer is, for the one whose place is taken.
#define CONSOLE_VIEWER "Vireo-Viewer"
// Organizational unit of the manager's certificate; hosts have none.
#define MANAGER_UNIT "manager"
