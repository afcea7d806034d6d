/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints mini_pipe:*. In each, `pipe` is the number of the inode of a private pipe, as in
 * its name mini_pipe:[number], or 0 for /dev/mini_pipe. docs/tracing.md describes them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mini_pipe

#if !defined(MINI_PIPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MINI_PIPE_TRACE_H

#include <linux/tracepoint.h>

/* enum Dir of ring/dir.rs */
#define show_dir(dir)	__print_symbolic(dir, { 0, "read" }, { 1, "write" })

/*
 * enum Wake of pipe/wait/waiters.rs. Of the pollers that asked for the event, Exclusive wakes all
 * without EPOLLEXCLUSIVE, and one with it.
 */
#define show_sleepers(wake)	__print_symbolic(wake, { 0, "none" }, { 1, "one" }, { 2, "all" })
#define show_pollers(wake)	__print_symbolic(wake, { 0, "none" }, { 1, "some" }, { 2, "all" })

/* A call that has ended. */
DECLARE_EVENT_CLASS(mini_pipe_call,
		    TP_PROTO(u64 pipe, size_t len, ssize_t ret),
		    TP_ARGS(pipe, len, ret),
		    TP_STRUCT__entry(__field(u64, pipe)
				     __field(size_t, len)
				     __field(ssize_t, ret)),
		    TP_fast_assign(__entry->pipe = pipe;
				   __entry->len = len;
				   __entry->ret = ret;),
		    TP_printk("pipe=%llu len=%zu ret=%zd", __entry->pipe, __entry->len,
			      __entry->ret));

DEFINE_EVENT(mini_pipe_call, read,
	     TP_PROTO(u64 pipe, size_t len, ssize_t ret),
	     TP_ARGS(pipe, len, ret));

DEFINE_EVENT(mini_pipe_call, write,
	     TP_PROTO(u64 pipe, size_t len, ssize_t ret),
	     TP_ARGS(pipe, len, ret));

TRACE_EVENT(reserve,
	    TP_PROTO(u64 pipe, u32 dir, size_t len),
	    TP_ARGS(pipe, dir, len),
	    TP_STRUCT__entry(__field(u64, pipe)
			     __field(u32, dir)
			     __field(size_t, len)),
	    TP_fast_assign(__entry->pipe = pipe;
			   __entry->dir = dir;
			   __entry->len = len;),
	    TP_printk("pipe=%llu dir=%s len=%zu", __entry->pipe, show_dir(__entry->dir),
		      __entry->len));

TRACE_EVENT(commit,
	    TP_PROTO(u64 pipe, u32 dir, size_t moved, bool ended),
	    TP_ARGS(pipe, dir, moved, ended),
	    TP_STRUCT__entry(__field(u64, pipe)
			     __field(u32, dir)
			     __field(size_t, moved)
			     __field(bool, ended)),
	    TP_fast_assign(__entry->pipe = pipe;
			   __entry->dir = dir;
			   __entry->moved = moved;
			   __entry->ended = ended;),
	    TP_printk("pipe=%llu dir=%s moved=%zu ended=%d", __entry->pipe, show_dir(__entry->dir),
		      __entry->moved, __entry->ended));

DECLARE_EVENT_CLASS(mini_pipe_dir,
		    TP_PROTO(u64 pipe, u32 dir),
		    TP_ARGS(pipe, dir),
		    TP_STRUCT__entry(__field(u64, pipe)
				     __field(u32, dir)),
		    TP_fast_assign(__entry->pipe = pipe;
				   __entry->dir = dir;),
		    TP_printk("pipe=%llu dir=%s", __entry->pipe, show_dir(__entry->dir)));

DEFINE_EVENT(mini_pipe_dir, block,
	     TP_PROTO(u64 pipe, u32 dir),
	     TP_ARGS(pipe, dir));

DEFINE_EVENT(mini_pipe_dir, hand_on,
	     TP_PROTO(u64 pipe, u32 dir),
	     TP_ARGS(pipe, dir));

TRACE_EVENT(wake,
	    TP_PROTO(u64 pipe, u32 dir, u32 sleepers, u32 pollers),
	    TP_ARGS(pipe, dir, sleepers, pollers),
	    TP_STRUCT__entry(__field(u64, pipe)
			     __field(u32, dir)
			     __field(u32, sleepers)
			     __field(u32, pollers)),
	    TP_fast_assign(__entry->pipe = pipe;
			   __entry->dir = dir;
			   __entry->sleepers = sleepers;
			   __entry->pollers = pollers;),
	    TP_printk("pipe=%llu dir=%s sleepers=%s pollers=%s", __entry->pipe,
		      show_dir(__entry->dir), show_sleepers(__entry->sleepers),
		      show_pollers(__entry->pollers)));

TRACE_EVENT(resize,
	    TP_PROTO(u64 pipe, size_t from, size_t to),
	    TP_ARGS(pipe, from, to),
	    TP_STRUCT__entry(__field(u64, pipe)
			     __field(size_t, from)
			     __field(size_t, to)),
	    TP_fast_assign(__entry->pipe = pipe;
			   __entry->from = from;
			   __entry->to = to;),
	    TP_printk("pipe=%llu from=%zu to=%zu", __entry->pipe, __entry->from, __entry->to));

/* A file that was opened or closed, and how many files have each end open then. */
DECLARE_EVENT_CLASS(mini_pipe_file,
		    TP_PROTO(u64 pipe, bool reads, bool writes, size_t readers, size_t writers),
		    TP_ARGS(pipe, reads, writes, readers, writers),
		    TP_STRUCT__entry(__field(u64, pipe)
				     __field(bool, reads)
				     __field(bool, writes)
				     __field(size_t, readers)
				     __field(size_t, writers)),
		    TP_fast_assign(__entry->pipe = pipe;
				   __entry->reads = reads;
				   __entry->writes = writes;
				   __entry->readers = readers;
				   __entry->writers = writers;),
		    TP_printk("pipe=%llu reads=%d writes=%d readers=%zu writers=%zu", __entry->pipe,
			      __entry->reads, __entry->writes, __entry->readers, __entry->writers));

DEFINE_EVENT(mini_pipe_file, open,
	     TP_PROTO(u64 pipe, bool reads, bool writes, size_t readers, size_t writers),
	     TP_ARGS(pipe, reads, writes, readers, writers));

DEFINE_EVENT(mini_pipe_file, close,
	     TP_PROTO(u64 pipe, bool reads, bool writes, size_t readers, size_t writers),
	     TP_ARGS(pipe, reads, writes, readers, writers));

DECLARE_EVENT_CLASS(mini_pipe_end,
		    TP_PROTO(u64 pipe),
		    TP_ARGS(pipe),
		    TP_STRUCT__entry(__field(u64, pipe)),
		    TP_fast_assign(__entry->pipe = pipe;),
		    TP_printk("pipe=%llu", __entry->pipe));

DEFINE_EVENT(mini_pipe_end, eof,
	     TP_PROTO(u64 pipe),
	     TP_ARGS(pipe));

DEFINE_EVENT(mini_pipe_end, epipe,
	     TP_PROTO(u64 pipe),
	     TP_ARGS(pipe));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
