/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Several devices per module, for the loads that use several pipes: /dev/NAME, /dev/NAME1, ...
 */
#ifndef NUMBERED_H
#define NUMBERED_H

#include <linux/miscdevice.h>
#include <linux/string.h>

#define DEVICES 16

struct numbered_device {
	struct miscdevice misc;
	char name[32];
};

static inline int numbered_add(struct numbered_device *device, const char *name, int number,
			       const struct file_operations *fops)
{
	if (number)
		snprintf(device->name, sizeof(device->name), "%s%d", name, number);
	else
		strscpy(device->name, name);
	device->misc.name = device->name;
	device->misc.minor = MISC_DYNAMIC_MINOR;
	device->misc.fops = fops;
	return misc_register(&device->misc);
}

static inline void numbered_remove(int count, void (*remove)(int number))
{
	while (count--)
		remove(count);
}

/* Adds all devices, or none. */
static inline int numbered_add_all(int (*add)(int number), void (*remove)(int number))
{
	for (int i = 0; i < DEVICES; i++) {
		int err = add(i);

		if (err) {
			numbered_remove(i, remove);
			return err;
		}
	}
	return 0;
}

#endif
