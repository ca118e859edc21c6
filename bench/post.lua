-- SPDX-License-Identifier: Apache-2.0
-- What wrk sends: appends of one event of about 250 bytes, over 20,000 streams, made before the clock starts.

local requests, following = {}, 0

function init()
  for number = 1, 20000 do
    local stream = number * 48271 % 100000
    local body = string.format(
      '{"events":[{"type":"OrderPlaced","data":{"customer_id":"c-%05d","total_amount":%d,"currency":"EUR",'
        .. '"items":[{"sku":"sku-%04d","qty":2,"price":1250},{"sku":"sku-%04d","qty":1,"price":995}],'
        .. '"ship_to":{"street":"%d Quay Street","city":"Bergen","country":"NO"},"gift":false,"channel":"web"}}]}',
      number, number * 3, number % 2000, number % 1999, number % 200 + 1)
    requests[number] = wrk.format("POST", string.format("/streams/order-%06d", stream),
      { ["Content-Type"] = "application/json" }, body)
  end
end

function request()
  following = following % #requests + 1
  return requests[following]
end

-- What load.c reads: requests, microseconds, two percentiles of latency in microseconds, errors.
function done(summary, latency)
  local errors = summary.errors
  print(string.format("total %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
