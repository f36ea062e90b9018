/* Counts the instructions of a program in qemu-user: a plugin for its dynamic build, which exports these functions. At
   the program's end the sum goes to the file that COUNT_FILE names. Debian has no header for them. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct block;

extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, void (*)(uint64_t plugin, struct block *));
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int operation, void *to, uint64_t operand);
extern void qemu_plugin_register_atexit_cb(uint64_t plugin, void (*)(uint64_t plugin, void *), void *);

enum { ADD_U64 = 0 };

int qemu_plugin_version = 1;
static uint64_t count;

static void translated(uint64_t plugin, struct block *block) {
    (void)plugin;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &count, qemu_plugin_tb_n_insns(block));
}

static void ended(uint64_t plugin, void *data) {
    (void)plugin, (void)data;
    const char *name = getenv("COUNT_FILE");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (file) fprintf(file, "%" PRIu64 "\n", count), fclose(file);
}

int qemu_plugin_install(uint64_t plugin, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    qemu_plugin_register_atexit_cb(plugin, ended, NULL);
    return 0;
}
