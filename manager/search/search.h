// The search language of the API: "status=up and cluster=Default sortby name page 2". See query.h
// for its grammar, fields.def and references.def for what can be asked.
//
// Text is compared as a whole and in either case, "*" stands for anything. What has no value is
// equal to nothing, and unequal to everything; "" asks for it. A condition about several values or
// several related objects holds when it does for one of them.
//
// Reading with a filter:
//
//     SearchFilter *filter = search_filter_new(manager, arena, "events", text, 0, why);
//     search_filter_select(filter, &found, max);              all of it: matching, order, page
// or
//     search_filter_match_event(filter, document) ...          where the caller has its own loop,
//     search_filter_arrange(filter, &found, max);              then order and page
#pragma once

#include "base/array.h"
#include "manager/rest/items.h"

// Adds to `items` what matches, ordered and cut (max < 0: no limit). SEARCH failures name the place
// in the text.
int search_collect(Request *request, Items *items, Kind kind, const char *text, int64_t max);

typedef struct SearchFilter SearchFilter;

typedef enum SearchFlags {
    SEARCH_CASE_SENSITIVE = 1 << 0,
} SearchFlags;

enum { SEARCH_PAGE_SIZE = 100 }; // when a page is asked for without max

// `collection` as in URLs: "vms", "events", "jobs". NULL and SEARCH when the text is wrong. It lies
// in the arena, which may belong to a request, and sees the inventory as it is now: for one pass,
// not to be kept.
SearchFilter *search_filter_new(const Manager *manager, Arena *arena, const char *collection,
                                const char *text, int flags, Fail *why);
// Entities of the collection's kind; for jobs those of KIND_OPERATION.
bool search_filter_match(SearchFilter *filter, const Entity *entity);
// For "events"; the document of an ApiEvent.
bool search_filter_match_event(SearchFilter *filter, const ApiDocument *event);
// Puts what matched (Entity *, for events ApiDocument *) into the order that was asked for and
// leaves the page and no more than `max` (< 0: no limit). Without sortby entities come by name and
// events stay as they were: hand them over newest first.
void search_filter_arrange(SearchFilter *filter, Array *found, int64_t max);
// Everything of the collection that matches, arranged. Adds no references.
void search_filter_select(SearchFilter *filter, Array *found, int64_t max);
