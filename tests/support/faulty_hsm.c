/* A PKCS#11 module for tests: SoftHSM, with the faults of a real HSM on request.

   FAULTY_HSM_DIR names a directory. A file there asks for a fault, for as long as it is there:

     codes     each line: a function's place in CK_FUNCTION_LIST and the code that it returns, both decimal
     login     C_Login returns the hexadecimal number in the file, and does not look at the PIN
     hang      C_Encrypt and C_Decrypt do not return; hang-login: C_Login; hang-slots: C_GetSlotList
     crash     C_Encrypt and C_Decrypt end the process; crash-login: C_Login
     delay     C_Encrypt and C_Decrypt take so many microseconds longer
     sessions  no more than so many sessions at once (decimal)
     single    C_Initialize refuses CKF_OS_LOCKING_OK (CKR_CANT_LOCK); two threads at once end the process
     tells     C_GetAttributeValue gives every key's value (not the true one)
     forgives  C_Decrypt takes what was tampered with
     close     once: every session is closed before the next C_EncryptInit or C_DecryptInit

   Every C_Login adds a byte to the file `logins`. The real PIN is never written. */

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long Number;
typedef Number (*Function)();
typedef struct { unsigned char version[2]; Function functions[68]; } FunctionList;

enum { /* places in CK_FUNCTION_LIST */
    INITIALIZE = 0, GET_FUNCTION_LIST = 3, GET_SLOT_LIST = 4, OPEN_SESSION = 12, CLOSE_SESSION = 13,
    CLOSE_ALL_SESSIONS = 14, LOGIN = 18, GET_ATTRIBUTE_VALUE = 24, ENCRYPT_INIT = 29, ENCRYPT = 30,
    DECRYPT_INIT = 33, DECRYPT = 34, SIGN = 43, GENERATE_KEY = 58, UNWRAP_KEY = 61
};
enum { VALUE = 0x11 };
enum { CANT_LOCK = 0x0A, SESSION_COUNT = 0xB1, OS_LOCKING_OK = 2 };

static FunctionList *real, ours;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static long sessions_open;
static Number last_slot;
static int is_single, inside;

/* A module that cannot lock, and has another thread in it already, is broken by this one. */
static void come_in(void) {
    if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 1 && is_single) abort();
}

static Number go_out(Number code) {
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    return code;
}

static void path_of(const char *name, char path[4096]) {
    const char *directory = getenv("FAULTY_HSM_DIR");
    snprintf(path, 4096, "%s/%s", directory ? directory : "/nonexistent", name);
}

/* The text of the file, or 0 where there is none. */
static int wanted(const char *name, char text[64]) {
    char path[4096];
    path_of(name, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, 63);
    text[length > 0 ? length : 0] = 0;
    close(file);
    return 1;
}

/* The code that the file `codes` has for a function; 0, OK, where it has none. */
static Number told(Number function) {
    char path[4096];
    Number found = 0, one, code;
    path_of("codes", path);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    while (fscanf(file, "%lu %lu", &one, &code) == 2)
        if (one == function) found = code;
    fclose(file);
    return found;
}

static void suffer(const char *hang, const char *crash) {
    char text[64];
    while (wanted(hang, text)) usleep(20000);
    if (wanted(crash, text)) abort();
}

static Number initialize(void *arguments) {
    char text[64];
    Number flags = arguments ? ((Number *)arguments)[4] : 0;
    is_single = wanted("single", text);
    if ((flags & OS_LOCKING_OK) && is_single) return CANT_LOCK;
    sessions_open = 0;
    return real->functions[INITIALIZE](arguments);
}

static Number get_slot_list(unsigned char present, void *slots, Number *count) {
    suffer("hang-slots", "crash-slots");
    Number code = told(GET_SLOT_LIST);
    if (code) return code;
    return real->functions[GET_SLOT_LIST](present, slots, count);
}

static Number open_session(Number slot, Number flags, void *a, void *b, Number *session) {
    char text[64];
    come_in();
    pthread_mutex_lock(&guard);
    last_slot = slot;
    Number code = told(OPEN_SESSION);
    if (!code && wanted("sessions", text) && sessions_open >= atol(text)) code = SESSION_COUNT;
    if (!code) {
        code = real->functions[OPEN_SESSION](slot, flags, a, b, session);
        if (!code) sessions_open++;
    }
    pthread_mutex_unlock(&guard);
    return go_out(code);
}

static Number close_session(Number session) {
    pthread_mutex_lock(&guard);
    Number code = real->functions[CLOSE_SESSION](session);
    if (!code) sessions_open--;
    pthread_mutex_unlock(&guard);
    return code;
}

static Number login(Number session, Number user, void *pin, Number length) {
    char path[4096], text[64];
    path_of("logins", path);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        if (write(file, "x", 1) != 1) return 5;
        close(file);
    }
    suffer("hang-login", "crash-login");
    if (wanted("login", text)) return strtoul(text, 0, 16);
    Number code = told(LOGIN);
    if (code) return code;
    return real->functions[LOGIN](session, user, pin, length);
}

static Number get_attribute_value(Number session, Number object, Number *attribute, Number count) {
    char text[64];
    if (attribute[0] != VALUE || !wanted("tells", text))
        return real->functions[GET_ATTRIBUTE_VALUE](session, object, attribute, count);
    attribute[2] = 32;
    if (attribute[1]) memset((void *)attribute[1], 0, 32);
    return 0;
}

static void close_all_if_wanted(void) {
    char path[4096], text[64];
    path_of("close", path);
    pthread_mutex_lock(&guard);
    if (wanted("close", text) && !unlink(path)) {
        real->functions[CLOSE_ALL_SESSIONS](last_slot);
        sessions_open = 0;
    }
    pthread_mutex_unlock(&guard);
}

static Number encrypt_init(Number session, void *mechanism, Number key) {
    come_in();
    close_all_if_wanted();
    Number code = told(ENCRYPT_INIT);
    return go_out(code ? code : real->functions[ENCRYPT_INIT](session, mechanism, key));
}

static Number decrypt_init(Number session, void *mechanism, Number key) {
    come_in();
    close_all_if_wanted();
    Number code = told(DECRYPT_INIT);
    return go_out(code ? code : real->functions[DECRYPT_INIT](session, mechanism, key));
}

static void take_time(void) {
    char text[64];
    suffer("hang", "crash");
    if (wanted("delay", text)) usleep(atol(text));
}

static Number encrypt(Number session, void *data, Number length, void *out, Number *out_length) {
    come_in();
    take_time();
    Number code = told(ENCRYPT);
    return go_out(code ? code : real->functions[ENCRYPT](session, data, length, out, out_length));
}

static Number decrypt(Number session, void *data, Number length, void *out, Number *out_length) {
    come_in();
    take_time();
    char text[64];
    Number code = told(DECRYPT);
    if (!code) code = real->functions[DECRYPT](session, data, length, out, out_length);
    if (code && wanted("forgives", text)) {
        *out_length = length - 16;
        code = 0;
    }
    return go_out(code);
}

static Number sign(Number session, void *data, Number length, void *out, Number *out_length) {
    Number code = told(SIGN);
    return code ? code : real->functions[SIGN](session, data, length, out, out_length);
}

static Number generate_key(Number session, void *mechanism, void *template, Number count, Number *key) {
    Number code = told(GENERATE_KEY);
    return code ? code : real->functions[GENERATE_KEY](session, mechanism, template, count, key);
}

static Number unwrap_key(Number session, void *mechanism, Number unwrapping_key, void *wrapped, Number length,
                         void *template, Number count, Number *key) {
    Number code = told(UNWRAP_KEY);
    if (code) return code;
    return real->functions[UNWRAP_KEY](session, mechanism, unwrapping_key, wrapped, length, template, count, key);
}

Number C_GetFunctionList(FunctionList **list) {
    if (!real) {
        void *library = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
        Function get = library ? (Function)dlsym(library, "C_GetFunctionList") : 0;
        if (!get) return 5;
        Number code = get(&real);
        if (code) return code;
        memcpy(&ours, real, sizeof ours);
        ours.functions[INITIALIZE] = (Function)initialize;
        ours.functions[GET_FUNCTION_LIST] = (Function)C_GetFunctionList;
        ours.functions[GET_SLOT_LIST] = (Function)get_slot_list;
        ours.functions[OPEN_SESSION] = (Function)open_session;
        ours.functions[CLOSE_SESSION] = (Function)close_session;
        ours.functions[LOGIN] = (Function)login;
        ours.functions[GET_ATTRIBUTE_VALUE] = (Function)get_attribute_value;
        ours.functions[ENCRYPT_INIT] = (Function)encrypt_init;
        ours.functions[ENCRYPT] = (Function)encrypt;
        ours.functions[DECRYPT_INIT] = (Function)decrypt_init;
        ours.functions[DECRYPT] = (Function)decrypt;
        ours.functions[SIGN] = (Function)sign;
        ours.functions[GENERATE_KEY] = (Function)generate_key;
        ours.functions[UNWRAP_KEY] = (Function)unwrap_key;
    }
    *list = &ours;
    return 0;
}
