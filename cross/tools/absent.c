/* What a static program that never unwinds has to answer, and no more.

   Unwinding: with panic=abort only the printer of backtraces asks, and is told that the stack ends here. The message of a
   panic and its place are complete without.

   dlsym: the standard library and rustix ask it for newer functions before they make the system call themselves. musl's
   own would find nothing either; on MIPS it crashes instead, because it is assembly for callers that leave its address in
   $t9, and code that does not move jumps without. */

typedef int (*trace)(void *context, void *argument);

enum { END_OF_STACK = 5 };

void *dlsym(void *handle, const char *name) { (void)handle, (void)name; return 0; }

int _Unwind_Backtrace(trace each, void *argument) { (void)each, (void)argument; return END_OF_STACK; }
unsigned long _Unwind_GetIP(void *context) { (void)context; return 0; }
unsigned long _Unwind_GetCFA(void *context) { (void)context; return 0; }
unsigned long _Unwind_GetIPInfo(void *context, int *before) { (void)context; *before = 0; return 0; }

#ifdef __arm__
/* There _Unwind_GetIP is an inline function over these. */
int _Unwind_VRS_Get(void *context, int class, unsigned number, int representation, void *value) {
    (void)context, (void)class, (void)number, (void)representation;
    *(unsigned *)value = 0;
    return 1;
}
int _Unwind_VRS_Set(void *context, int class, unsigned number, int representation, void *value) {
    (void)context, (void)class, (void)number, (void)representation, (void)value;
    return 1;
}
#endif
