// vireo: the command line of a manager.
#include <curl/curl.h>

#include "cli/verbs/program.h"

int main(int argc, char **argv)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int code = program_main(&vireo_program, argc, argv);
    curl_global_cleanup();
    return code;
}
