/* SPDX-License-Identifier: GPL-2.0 */
/* Pages in blocks of neighbours, as large as the kernel has them: mini_pipe/pages.rs. */
#ifndef TWIN_PAGES_H
#define TWIN_PAGES_H

#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/slab.h>

#define BLOCK_ORDER 8

/* Whether bytes that are not in high memory have their address for ever. */
#define MAPPED (!IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP))

struct page_of_ring {
	struct page *page;
	char *bytes;
};

struct pages {
	size_t count;		/* a power of two */
	struct page_of_ring *page;
};

static inline void pages_free(struct pages *pages)
{
	if (!pages)
		return;
	for (size_t i = 0; i < pages->count && pages->page[i].page; i++)
		__free_page(pages->page[i].page);
	kvfree(pages->page);
	kfree(pages);
}

static inline struct page *pages_block(unsigned int order)
{
	gfp_t flags = order ? GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN : GFP_KERNEL;
	struct page *first = alloc_pages(flags, order);

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
	for (size_t at = 0; at < count;) {
		struct page *block = pages_block(order);

		if (block) {
			for (size_t i = 0; i < 1 << order; i++, at++)
				pages->page[at] = (struct page_of_ring){ block + i,
									 page_address(block + i) };
		} else if (order) {
			/* Smaller ones from here on, so the last are the smallest. */
			order /= 2;
		} else {
			goto no_memory;
		}
	}
	*unit = MAPPED ? PAGE_SIZE << order : PAGE_SIZE;
	return pages;

no_memory:
	pages_free(pages);
	return NULL;
}

static __always_inline const struct page_of_ring *pages_at(const struct pages *pages, size_t index)
{
	return &pages->page[index / PAGE_SIZE & (pages->count - 1)];
}

static __always_inline char *page_map(const struct page_of_ring *page)
{
	return MAPPED ? page->bytes : kmap_local_page(page->page);
}

static __always_inline void page_unmap(const char *bytes)
{
	if (!MAPPED)
		kunmap_local(bytes);
}

#endif
