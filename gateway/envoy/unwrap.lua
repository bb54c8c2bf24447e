-- Makes the body of a JSON answer the one thing it carries: {"hold":{...}} becomes {...}.
-- The routes of methods whose contract names a response_body say which field that is; Envoy's own
-- transcoder has it for raw bodies only.
function envoy_on_response(handle)
  local field = handle:metadata():get("field")
  if field == nil then return end
  local headers = handle:headers()
  if headers:get(":status") ~= "200" or headers:get("content-type") ~= "application/json" then return end
  local body = handle:body()
  if body == nil then return end
  local text = body:getBytes(0, body:length())
  local opening = '{"' .. field .. '":'
  if string.sub(text, 1, #opening) ~= opening then return end
  headers:replace("content-length", tostring(body:setBytes(string.sub(text, #opening + 1, -2))))
end
