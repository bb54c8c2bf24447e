-- What Envoy has no filter for. $$body_bytes and the metadata of routes are set by gateway.envoy.

-- Refuses a body that is too large, once all of it has come: a client that is still sending would
-- be cut off and never read the refusal. The buffer before this filter bounds what may come.
function envoy_on_request(handle)
  local length = handle:headers():get("content-length")
  if length ~= nil and tonumber(length) > $body_bytes then
    handle:respond({[":status"] = "413"}, "")
  end
end

-- Makes the body of a JSON answer the one thing it carries: {"hold":{...}} becomes {...}.
-- The routes of methods whose contract names a response_body say which field that is; Envoy's own
-- transcoder has it for raw bodies only. What gRPC left in the headers goes too.
function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get("content-type") ~= "application/json" then return end
  local status = headers:get(":status")
  headers:remove("grpc-status")
  headers:remove("grpc-message")
  headers:remove("grpc-status-details-bin")
  local field = handle:metadata():get("field")
  if field == nil or status ~= "200" then return end
  local body = handle:body()
  if body == nil then return end
  local text = body:getBytes(0, body:length())
  local opening = '{"' .. field .. '":'
  if string.sub(text, 1, #opening) ~= opening then return end
  local length = body:setBytes(string.sub(text, #opening + 1, -2))
  handle:headers():replace("content-length", tostring(length))
end
