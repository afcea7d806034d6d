/* SPDX-License-Identifier: GPL-2.0 */
/* Pages in blocks of neighbours, where the kernel has such: mini_pipe/pages.rs. */
#ifndef TWIN_PAGES_H
#define TWIN_PAGES_H

#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/slab.h>

#define BLOCK_ORDER 4

#define MAPPED_TOGETHER                                                                            \
	((IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP) || IS_ENABLED(CONFIG_FLATMEM)) &&                   \
	 !IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP))

struct pages {
	size_t count;		/* a power of two */
	struct page **page;
};

static inline void pages_free(struct pages *pages)
{
	if (!pages)
		return;
	for (size_t i = 0; i < pages->count && pages->page[i]; i++)
		__free_page(pages->page[i]);
	kvfree(pages->page);
	kfree(pages);
}

static inline struct page *pages_block(unsigned int order)
{
	struct page *first = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, order);

	if (first)
		split_page(first, order);
	return first;
}

/* Pages for so many bytes; *unit of them, a power of two, are neighbours. NULL without memory. */
static inline struct pages *pages_alloc(size_t capacity, size_t *unit)
{
	size_t count = roundup_pow_of_two(DIV_ROUND_UP(capacity, PAGE_SIZE));
	unsigned int order = min(ilog2(count), BLOCK_ORDER);
	struct pages *pages = kzalloc_obj(*pages);

	if (!pages)
		return NULL;
	pages->count = count;
	pages->page = kvcalloc(count, sizeof(*pages->page), GFP_KERNEL);
	if (!pages->page)
		goto no_memory;
	*unit = PAGE_SIZE << order;
	for (size_t at = 0; at < count; at += 1 << order) {
		struct page *block = pages_block(order);

		if (!block || !MAPPED_TOGETHER)
			*unit = PAGE_SIZE;
		for (size_t i = at; i < at + (1 << order); i++) {
			pages->page[i] = block ? block + (i - at) : alloc_page(GFP_KERNEL);
			if (!pages->page[i])
				goto no_memory;
		}
	}
	return pages;

no_memory:
	pages_free(pages);
	return NULL;
}

static inline struct page *pages_at(const struct pages *pages, size_t index)
{
	return pages->page[index / PAGE_SIZE & (pages->count - 1)];
}

#endif
