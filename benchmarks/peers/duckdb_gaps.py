"""Summaries per ship and hour and silences of six hours or more, in DuckDB (see README.md for the job)."""

from __future__ import annotations

import json
import sys

import duckdb

READ = """
create temp table positions as
select distinct mmsi, time, lat, lon from (
    select case when regexp_full_match(MMSI, '[0-9]{9}') then try_cast(MMSI as bigint) end as mmsi,
           try_cast(BaseDateTime as timestamp) as time, try_cast(LAT as double) as lat, try_cast(LON as double) as lon
    from read_csv($files, header = true, all_varchar = true, delim = ',', quote = '', escape = '',
                  null_padding = true, ignore_errors = true, auto_detect = false, columns = $columns)
)
where mmsi between 201000000 and 775999999 and time >= timestamp '2000-01-01' and abs(lat) <= 90 and abs(lon) <= 180
"""
STEPS = """
create temp table steps as
select *, date_trunc('hour', time) as hour,
       epoch(time) - epoch(lag(time) over ship) as since_s,
       case when date_trunc('hour', time) = date_trunc('hour', lag(time) over ship) then
           2 * 6371.0088 / 1.852 * asin(sqrt(
               power(sin(radians(lat - lag(lat) over ship) / 2), 2)
               + cos(radians(lat)) * cos(radians(lag(lat) over ship)) * power(sin(radians(lon - lag(lon) over ship) / 2), 2)
           )) / (greatest(epoch(time) - epoch(lag(time) over ship), 60) / 3600)
       end as knots
from positions
window ship as (partition by mmsi order by time, lat, lon)
"""
HOURS = """
create temp table hours as
select mmsi, hour, count(*) as n, min(time) as first, arg_min(lat, time) as first_lat, arg_min(lon, time) as first_lon,
       max(time) as last, arg_max(lat, time) as last_lat, arg_max(lon, time) as last_lon, max(knots) as max_knots
from steps group by mmsi, hour
"""
ANSWER = """
select (select count(*) from steps) as good, (select count(distinct mmsi) from hours) as vessels,
       (select count(*) from hours) as vessel_hours, count(*) as gaps, coalesce(sum(since_s), 0)::bigint as gap_seconds
from steps where since_s >= 21600
"""


def main(files: list[str]) -> None:
    with open(files[0], encoding="utf-8") as handle:  # noqa: PTH123
        names = handle.readline().strip().split(",")
    database = duckdb.connect()
    database.execute(READ, {"files": files, "columns": dict.fromkeys(names, "VARCHAR")})
    database.execute(STEPS)
    database.execute(HOURS)
    answer = database.execute(ANSWER)
    values = answer.fetchone()
    assert values is not None
    print(json.dumps(dict(zip([column[0] for column in answer.description], values, strict=True))))


if __name__ == "__main__":
    main(sys.argv[1:])
