// vireo-manager: the administrator's command on the manager's machine.
#include "cli/administration/administrator.h"
#include "cli/verbs/program.h"

int main(int argc, char **argv)
{
    return program_main(&administrator_program, argc, argv);
}
