/* A PKCS#11 module for tests: SoftHSM, but calls that the file FAULTY_MODULE_FAULTS names return another code.
 *
 * Each line of that file is a function's number in CK_FUNCTION_LIST and the code, both decimal. Every C_Login is
 * written to the file FAULTY_MODULE_LOGINS as one byte: that many PINs a token would have counted.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long ul;
typedef ul (*call)(ul, ul, ul, ul, ul, ul, ul, ul);

struct list {
    unsigned char version[2];
    call functions[68];
};

static struct list *real;
static struct list ours;

static ul fault_of(ul number) {
    FILE *file = fopen(getenv("FAULTY_MODULE_FAULTS"), "r");
    ul found = 0, one, code;
    if (file == NULL) return 0;
    while (fscanf(file, "%lu %lu", &one, &code) == 2)
        if (one == number) found = code;
    fclose(file);
    return found;
}

#define WRAPPED(number)                                                             \
    static ul wrapped_##number(ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) {    \
        ul code = fault_of(number);                                                 \
        return code ? code : real->functions[number](a, b, c, d, e, f, g, h);       \
    }

WRAPPED(4) WRAPPED(12) WRAPPED(29) WRAPPED(30) WRAPPED(33) WRAPPED(34) WRAPPED(43) WRAPPED(58) WRAPPED(61)

static ul login(ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) {
    int fd = open(getenv("FAULTY_MODULE_LOGINS"), O_WRONLY | O_APPEND);
    ul code = fault_of(18);
    if (fd >= 0 && write(fd, "L", 1) == 1) close(fd);
    return code ? code : real->functions[18](a, b, c, d, e, f, g, h);
}

ul C_GetFunctionList(struct list **given) {
    void *library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    ul (*get)(struct list **) = (ul (*)(struct list **))dlsym(library, "C_GetFunctionList");
    ul code = get(&real);
    if (code) return code;
    ours = *real;
    ours.functions[4] = wrapped_4;
    ours.functions[12] = wrapped_12;
    ours.functions[18] = login;
    ours.functions[29] = wrapped_29;
    ours.functions[30] = wrapped_30;
    ours.functions[33] = wrapped_33;
    ours.functions[34] = wrapped_34;
    ours.functions[43] = wrapped_43;
    ours.functions[58] = wrapped_58;
    ours.functions[61] = wrapped_61;
    *given = &ours;
    return 0;
}
