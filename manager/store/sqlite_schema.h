// The tables, version by version. Row i brings a store of version i to version i + 1; rows are
// only ever added. Entities are documents; events are relational and have a view for reports.
#pragma once

static const char *const sqlite_schema[] = {
    "CREATE TABLE entity (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,"
    " revision INTEGER NOT NULL, document TEXT NOT NULL, UNIQUE (kind, id));"
    "CREATE TABLE event (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, code INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, document TEXT NOT NULL);"
    "CREATE INDEX event_time ON event (time);"
    "CREATE VIEW event_history AS SELECT id, datetime(time / 1000, 'unixepoch') AS time, code,"
    " severity, json_extract(document, '$.description') AS description,"
    " json_extract(document, '$.vm.id') AS vm_id, json_extract(document, '$.host.id') AS host_id,"
    " json_extract(document, '$.user.id') AS user_id,"
    " json_extract(document, '$.correlation_id') AS correlation_id FROM event;",
};
