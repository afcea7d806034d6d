"use strict";

// Zooms the picture horizontally, steps from event to event, and shows the call under the pointer.
// Without this script, the picture still has titles.

const view = document.getElementById("view");
const svg = view.querySelector("svg");
const names = svg.querySelector(".names");
const call = document.getElementById("call");
const events = [...svg.querySelectorAll(".event")];
const column = Number(svg.dataset.names);
const width = svg.viewBox.baseVal.width - column;
const height = svg.viewBox.baseVal.height;

let zoom = 1;
let chosen = -1;

const title = element => element.querySelector("title").textContent;
const place = event => event.transform.baseVal[0].matrix.e;

// Scrolls, and keeps the names in sight.
function scroll(left) {
	view.scrollLeft = left;
	follow();
}

function follow() {
	names.setAttribute("transform", `translate(${view.scrollLeft})`);
}

// Sets the zoom. What is `at` pixels from the left edge of the view stays there.
function scale(to, at = view.clientWidth / 2) {
	const before = (view.scrollLeft + at - column) / zoom;
	zoom = Math.min(50, Math.max(0.02, to));
	svg.style.setProperty("--zoom", zoom);
	svg.setAttribute("width", column + width * zoom);
	svg.classList.toggle("far", zoom < 0.7);
	scroll(before * zoom + column - at);
}

function fit() {
	scale((view.clientWidth - column) / width);
	// A scroll bar may have gone, which leaves more room.
	scale((view.clientWidth - column) / width);
}

// Chooses an event, brings it into sight and says what it is.
function choose(index) {
	events[chosen]?.classList.remove("chosen");
	chosen = Math.min(events.length - 1, Math.max(0, index));
	const event = events[chosen];
	event.classList.add("chosen");
	event.focus({ preventScroll: true });
	const x = column + place(event) * zoom;
	if (x < view.scrollLeft + column + 20 || x > view.scrollLeft + view.clientWidth - 80)
		scroll(x - (view.clientWidth + column) / 2);
	call.textContent = title(event);
}

const actions = {
	next: () => choose(chosen + 1),
	previous: () => choose(chosen - 1),
	first: () => choose(0),
	last: () => choose(events.length - 1),
	nearer: () => scale(zoom * 1.25),
	farther: () => scale(zoom / 1.25),
	fit,
};
const keys = {
	ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last",
	"+": "nearer", "=": "nearer", "-": "farther", "0": "fit",
};

document.addEventListener("keydown", event => {
	const action = actions[keys[event.key]];
	if (!action || event.ctrlKey || event.altKey || event.metaKey)
		return;
	event.preventDefault();
	action();
});
document.getElementById("controls").addEventListener("click", event => {
	actions[event.target.dataset.action]?.();
});
view.addEventListener("wheel", event => {
	if (event.shiftKey || event.ctrlKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
		return;
	event.preventDefault();
	scale(zoom * 1.002 ** -event.deltaY, event.clientX - view.getBoundingClientRect().left);
}, { passive: false });
view.addEventListener("scroll", follow);
svg.addEventListener("pointerover", event => {
	const shown = event.target.closest(".event, .bar, .wake-up");
	if (shown?.querySelector("title"))
		call.textContent = title(shown);
});
svg.addEventListener("click", event => {
	const shown = event.target.closest(".event");
	if (shown)
		choose(events.indexOf(shown));
});

// The picture is to be stretched by the zoom alone.
svg.removeAttribute("viewBox");
svg.setAttribute("height", height);
for (const event of events)
	event.setAttribute("tabindex", "-1");
document.getElementById("controls").hidden = false;
