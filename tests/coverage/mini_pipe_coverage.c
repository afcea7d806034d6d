// SPDX-License-Identifier: GPL-2.0
/*
 * Adds up the counters of all loads of mini_pipe. The compiler has put them into a section of
 * mini_pipe (see Kbuild), which is freed when mini_pipe is unloaded, or fails to load.
 *
 * /proc/mini_pipe_coverage shows the sums of the loads that have ended.
 */

#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>

/* No lock: the kernel does not load mini_pipe again before it has unloaded it. */
static u64 sums[8192];
static size_t count;

/* Its beginning in kernel/module/sysfs.c, which makes /sys/module/mini_pipe/sections of it. */
struct module_sect_attrs {
	struct attribute_group grp;
};

/* Returns the address of a section of the module. */
static const u64 *find_section(const struct module *mod, const char *name)
{
	const struct bin_attribute *const *attr = mod->sect_attrs->grp.bin_attrs;

	while (*attr && strcmp((*attr)->attr.name, name))
		attr++;
	return *attr ? (*attr)->private : NULL;
}

static int add_counters(struct notifier_block *block, unsigned long state, void *data)
{
	const struct module *mod = data;
	const u64 *counters;

	/* If a parameter is rejected, there are no attributes, and hardly anything has run. */
	if (state != MODULE_STATE_GOING || strcmp(mod->name, "mini_pipe") || !mod->sect_attrs)
		return NOTIFY_DONE;
	counters = find_section(mod, "__llvm_prf_cnts");
	/* No symbol marks the end of the counters, but the next section follows without a gap. */
	count = counters ? find_section(mod, "__llvm_prf_data") - counters : 0;
	if (WARN_ON(count > ARRAY_SIZE(sums)))
		count = 0;
	for (size_t i = 0; i < count; i++)
		sums[i] += counters[i];
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = add_counters };

static int show(struct seq_file *file, void *data)
{
	for (size_t i = 0; i < count; i++)
		seq_printf(file, "%llu ", sums[i]);
	seq_putc(file, '\n');
	return 0;
}

static int __init coverage_init(void)
{
	int err = register_module_notifier(&notifier);

	if (!err && !proc_create_single("mini_pipe_coverage", 0400, NULL, show)) {
		unregister_module_notifier(&notifier);
		err = -ENOMEM;
	}
	return err;
}

static void __exit coverage_exit(void)
{
	remove_proc_entry("mini_pipe_coverage", NULL);
	unregister_module_notifier(&notifier);
}

module_init(coverage_init);
module_exit(coverage_exit);

MODULE_DESCRIPTION("Sums of the coverage counters of mini_pipe");
MODULE_AUTHOR("The founders of mini_pipe");
MODULE_LICENSE("GPL");
