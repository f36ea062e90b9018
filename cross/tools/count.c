/* Counts the instructions of a program in qemu-user: a plugin for its dynamic build, which exports these functions
   (Debian has no header for them). The sum so far is in the file that COUNT_FILE names, as eight bytes of this machine. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct block;

extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, void (*)(uint64_t plugin, struct block *));
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int operation, void *to, uint64_t operand);

enum { ADD_U64 = 0 };

int qemu_plugin_version = 1;
static uint64_t *count;

static void translated(uint64_t plugin, struct block *block) {
    (void)plugin;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, count, qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(uint64_t plugin, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    const char *name = getenv("COUNT_FILE");
    int file = name ? open(name, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    if (file < 0 || ftruncate(file, sizeof *count)) return 1;
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (count == MAP_FAILED) return 1;
    close(file);
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return 0;
}
