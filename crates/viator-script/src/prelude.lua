-- The world that scripts see, built on Lua 5.4's own. Runs once per state, before any script; `native` holds the functions
-- written in Rust. Returns what the host needs: the globals' real table, the environment of scripts, Lua's own xpcall, the
-- function that begins and ends the loading of a library, and the one that makes text of doubles.
local native, version, version_num, libraries, deprecated = ...

local error, type, select, next, pairs, rawget, rawset = error, type, select, next, pairs, rawget, rawset
local getmetatable, setmetatable, xpcall, pcall, load = getmetatable, setmetatable, xpcall, pcall, load
local mtype, tointeger, floor, fmod = math.type, math.tointeger, math.floor, math.fmod
local format, gsub, gmatch = string.format, string.gsub, string.gmatch

local READONLY = 'Attempt to modify a readonly table'

-- Numbers. Lua 5.1 had doubles only, and printed those without a fraction as integers.

local function text(n)
  return format('%.14g', n)
end

-- a double without a fraction becomes an integer, which prints as 5.1 printed it
local function whole(n)
  if mtype(n) == 'float' and n == floor(n) and n > -2^53 and n < 2^53 then
    return tointeger(n)
  end
  return n
end

-- what 5.1 did to a number where it needed an integer
local function cut(n)
  if mtype(n) == 'float' then
    if n ~= n then return 0 end
    local t = n < 0 and -floor(-n) or floor(n)
    return tointeger(t) or n
  end
  return n
end

-- an argument of a wrong type
local function wrong(name, n, wanted, ...)
  local got = n > select('#', ...) and 'no value' or type((select(n, ...)))
  error("bad argument #" .. n .. " to '" .. name .. "' (" .. wanted .. " expected, got " .. got .. ")", 3)
end

-- a function whose first argument must be of a type
local function checked(name, wanted, f)
  return function(...)
    if type((...)) ~= wanted then wrong(name, 1, wanted, ...) end
    return f(...)
  end
end

-- Read-only tables: an empty table in front of the real one.

local frozen = setmetatable({}, { __mode = 'k' })
local metas = setmetatable({}, { __mode = 'k' })

local function refuse()
  error(READONLY, 2)
end

local function freeze(t)
  local view = setmetatable({}, {
    __index = t,
    __newindex = refuse,
    __len = function() return #t end,
    __pairs = function() return next, t, nil end,
    __metatable = false,
  })
  frozen[view] = true
  metas[view] = false
  return view
end

local G, R = {}, {}

-- Errors. What the host raises is a userdata until a script can see it; a script sees what Redis shows it.

local seen, described, reword = native.seen, native.described, native.reword
local placed = native.placed

-- while the stack stands: what this file raises happens where the script called it
local function at_script(e)
  if type(e) == 'string' then return placed(e) end
  return e
end

local function caught(ok, ...)
  if ok then return ok, ... end
  local e = ...
  if type(e) == 'table' then
    local m = rawget(e, 'err')
    if type(m) == 'string' then return false, m end
  elseif type(e) == 'string' then
    return false, reword(e)
  elseif type(e) == 'userdata' then
    return false, seen(e)
  end
  return false, ...
end

G.assert, G.error, G.next, G.pairs, G.rawequal, G.rawget, G.select, G.type =
  assert, error, next, pairs, rawequal, rawget, select, type
G.ipairs, G.pairs = checked('ipairs', 'table', ipairs), checked('pairs', 'table', pairs)
G._VERSION = 'Lua 5.1'

function G.pcall(...)
  if select('#', ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
  return caught(xpcall((...), at_script, select(2, ...)))
end

function G.xpcall(...)
  if select('#', ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
  local f, handler = ...
  return xpcall(f, function(e)
    if type(e) == 'userdata' then e = described(e) else e = at_script(e) end
    return handler(e)
  end, select(3, ...))
end

function G.rawset(...)
  local t, k, v = ...
  if type(t) ~= 'table' then wrong('rawset', 1, 'table', ...) end
  local n = select('#', ...)
  if n < 3 then error("bad argument #" .. n + 1 .. " to 'rawset' (value expected)", 2) end
  if frozen[t] then error(READONLY, 0) end
  return rawset(t, k, v)
end

function G.setmetatable(...)
  local t, m = ...
  if type(t) ~= 'table' then wrong('setmetatable', 1, 'table', ...) end
  if type(m) ~= 'table' and (m ~= nil or select('#', ...) < 2) then
    error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
  end
  if frozen[t] then error(READONLY, 0) end
  if type(m) == 'table' and rawget(m, '__gc') ~= nil then
    -- 5.1 has no finalizers for tables
    local copy = {}
    for k, v in next, m do if k ~= '__gc' then copy[k] = v end end
    m = copy
  end
  return setmetatable(t, m)
end

local string_meta
function G.getmetatable(o)
  if type(o) == 'string' then return string_meta end
  local m = metas[o]
  if m ~= nil then return m or nil end
  return getmetatable(o)
end

function G.tostring(...)
  local v = ...
  if mtype(v) == 'float' then return text(v) end
  return tostring(...)
end

function G.tonumber(...)
  local v, base = ...
  if base ~= nil then
    if base == 10 then return G.tonumber(v) end
    if type(v) == 'number' then v = G.tostring(v) end
    if base == 16 and type(v) == 'string' then v = gsub(v, '^(%s*)0[xX]', '%1') end
    return tonumber(v, base)
  end
  if mtype(v) == 'integer' then return v end
  local n = tonumber(...)
  if n == nil and type(v) == 'string' then
    -- what C's strtod takes as well
    local sign, name = string.match(v, '^%s*([+-]?)(%a+)%s*$')
    name = name and string.lower(name)
    if name == 'inf' or name == 'infinity' then return sign == '-' and -math.huge or math.huge end
    if name == 'nan' then return sign == '-' and 0/0 or -(0/0) end
  end
  return whole(n)
end

local unpack = table.unpack
function G.unpack(...)
  local t, i, j = ...
  if type(t) ~= 'table' then wrong('unpack', 1, 'table', ...) end
  return unpack(t, cut(i), cut(j))
end

local env_meta = {
  __index = G,
  __newindex = refuse,
  __pairs = function() return next, G, nil end,
  __metatable = false,
}
local env = setmetatable({}, env_meta)
frozen[env] = true
local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
metas[env] = freeze({ __index = missing })
setmetatable(G, { __index = missing })
G._G = env

function G.load(f, name)
  return load(f, name, 't', env)
end
function G.loadstring(...)
  local s, name = ...
  if type(s) == 'number' then s = G.tostring(s) end
  if type(s) ~= 'string' then wrong('loadstring', 1, 'string', ...) end
  return load(s, name, 't', env)
end

local collectgarbage = collectgarbage
function G.collectgarbage(what)
  if what == nil or what == 'collect' then return collectgarbage('collect') end
  if what == 'count' then return collectgarbage('count') end
  if what == 'step' then return collectgarbage('step') end
  if what == 'stop' or what == 'restart' or what == 'setpause' or what == 'setstepmul' then return 0 end
  return collectgarbage(what)
end
function G.gcinfo()
  return floor(collectgarbage('count'))
end

-- string

local S = string
local sub, rep, byte, find = S.sub, S.rep, S.byte, S.find
S.pack, S.unpack, S.packsize = nil, nil, nil
S.gfind = S.gmatch
-- what misses arguments goes on as it is, so that the error says so
function S.sub(...)
  if select('#', ...) < 2 then return sub(...) end
  local s, i, j = ...
  return sub(s, cut(i), cut(j))
end
function S.rep(...)
  if select('#', ...) < 2 then return rep(...) end
  local s, n = ...
  return rep(s, cut(n))
end
function S.byte(...)
  if select('#', ...) < 2 then return byte(...) end
  local s, i, j = ...
  return byte(s, cut(i), cut(j))
end
local char = S.char
function S.char(...)
  for i = 1, select('#', ...) do
    if mtype((select(i, ...))) == 'float' then
      local all = { ... }
      for k = 1, #all do
        local n = cut(all[k])
        all[k] = mtype(n) == 'float' and 0 or n
      end
      return S.char(table.unpack(all, 1, select('#', ...)))
    end
  end
  for i = 1, select('#', ...) do
    local n = (select(i, ...))
    if mtype(n) == 'integer' and (n < 0 or n > 255) then
      error("bad argument #" .. i .. " to 'char' (invalid value)", 2)
    end
  end
  return char(...)
end
local integral = { d = true, i = true, u = true, c = true, x = true, X = true, o = true }
local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\\n', ['\r'] = '\\r', ['\0'] = '\\000' }
local function quoted(v)
  return '"' .. gsub(G.tostring(v), '["\\\n\r%z]', escapes) .. '"'
end
local formatted
function S.format(...)
  if type((...)) ~= 'string' then return format(...) end
  local f = ...
  return formatted(f, select(2, ...))
end
function formatted(f, ...)
  local n = select('#', ...)
  local args
  local at = 0
  if type(f) == 'string' then
    for kind in gmatch(f, '%%[-+ #0]*%d*%.?%d*(.)') do
      if kind ~= '%' then
        at = at + 1
        if at > n then break end
        local v = (select(at, ...))
        if integral[kind] then
          local m = cut(tonumber(v))
          if m ~= v and m ~= nil then
            args = args or { ... }
            args[at] = m
          end
        elseif kind == 's' and mtype(v) == 'float' then
          args = args or { ... }
          args[at] = text(v)
        elseif kind == 'q' and (type(v) == 'string' or type(v) == 'number') then
          args = args or { ... }
          args[at] = quoted(v)
          f = gsub(f, '%%[-+ #0]*%d*%.?%d*q', '%%s', 1)
        end
      end
    end
    f = gsub(f, '(%%[-+ #0]*%d*%.?%d*)u', '%1d')
  end
  if args then return format(f, table.unpack(args, 1, n)) end
  return format(f, ...)
end
G.string = freeze(S)
string_meta = freeze({ __index = G.string })

-- table

local T = {}
local concat, insert, remove = table.concat, table.insert, table.remove
function T.concat(...)
  local t, sep, i, j = ...
  if type(t) == 'table' then
    local copy
    for k = cut(i) or 1, cut(j) or #t do
      local v = t[k]
      if v == nil then break end -- an error
      if mtype(v) == 'float' then
        if not copy then
          copy = {}
          for n = cut(i) or 1, cut(j) or #t do copy[n] = t[n] end
        end
        copy[k] = text(v)
      end
    end
    if mtype(sep) == 'float' then sep = text(sep) end
    return concat(copy or t, sep, cut(i) or 1, cut(j) or #t)
  end
  return wrong('concat', 1, 'table', ...)
end
function T.insert(...)
  local t, pos, v = ...
  if type(t) ~= 'table' then wrong('insert', 1, 'table', ...) end
  if select('#', ...) == 3 then
    pos = cut(tonumber(pos))
    if pos then
      local size = #t
      if pos > size + 1 or pos < 1 then
        if frozen[t] then error(READONLY, 2) end
        if pos < size - 2^24 then error("bad argument #2 to 'insert' (position out of bounds)", 2) end
        for i = size, pos, -1 do t[i + 1] = t[i] end
        t[pos] = v
        return
      end
      return insert(t, pos, v)
    end
  end
  return insert(...)
end
function T.remove(...)
  local t, pos = ...
  if type(t) ~= 'table' then wrong('remove', 1, 'table', ...) end
  if #t == 0 then return end
  if pos == nil then return remove(t) end
  pos = cut(tonumber(pos)) or pos
  if type(t) == 'table' and type(pos) == 'number' and (pos < 1 or pos > #t) then return nil end
  return remove(t, pos)
end
T.sort = table.sort
T.getn = checked('getn', 'table', function(t) return #t end)
T.setn = checked('setn', 'table', function() error("'setn' is obsolete", 3) end)
T.maxn = checked('maxn', 'table', function(t)
  local max = 0
  for k in next, t do
    if type(k) == 'number' and k > max then max = k end
  end
  return max
end)
function T.foreach(...)
  local t, f = ...
  if type(t) ~= 'table' then wrong('foreach', 1, 'table', ...) end
  if type(f) ~= 'function' then wrong('foreach', 2, 'function', ...) end
  for k, v in next, t do
    local r = f(k, v)
    if r ~= nil then return r end
  end
end
function T.foreachi(...)
  local t, f = ...
  if type(t) ~= 'table' then wrong('foreachi', 1, 'table', ...) end
  if type(f) ~= 'function' then wrong('foreachi', 2, 'function', ...) end
  for i = 1, #t do
    local r = f(i, t[i])
    if r ~= nil then return r end
  end
end
G.table = freeze(T)

-- math

local M = {}
for _, name in next, { 'abs', 'acos', 'asin', 'ceil', 'cos', 'deg', 'exp', 'floor', 'huge', 'max', 'min', 'pi', 'rad',
  'sin', 'tan' } do
  M[name] = math[name]
end
-- 5.4's take whatever can be compared
local function extreme(name, f)
  return function(...)
    local n = select('#', ...)
    if n == 0 then wrong(name, 1, 'number', ...) end
    for i = 1, n do
      if mtype((select(i, ...))) == nil then
        local all = { ... }
        for k = 1, n do
          local v = all[k]
          all[k] = (type(v) == 'number' or type(v) == 'string') and whole(tonumber(v)) or nil
          if all[k] == nil then wrong(name, k, 'number', ...) end
        end
        return f(table.unpack(all, 1, n))
      end
    end
    return f(...)
  end
end
M.max, M.min = extreme('max', math.max), extreme('min', math.min)
-- numbers as the functions of C take them
local function numbers(name, wanted, f)
  return function(...)
    local x, y = ...
    x, y = tonumber(x), tonumber(y)
    if wanted == 2 and y == nil then wrong(name, 2, 'number', ...) end
    if x == nil then wrong(name, 1, 'number', ...) end
    return f(x, y)
  end
end
local log, atan, exp, sqrt, modf = math.log, math.atan, math.exp, math.sqrt, math.modf
M.log = numbers('log', 1, function(x) return whole(log(x)) end)
M.log10 = numbers('log10', 1, function(x) return whole(log(x, 10)) end)
M.atan = numbers('atan', 1, function(x) return atan(x) end)
M.atan2 = numbers('atan2', 2, function(y, x) return atan(y, x) end)
M.sqrt = numbers('sqrt', 1, function(x) return whole(sqrt(x)) end)
M.pow = numbers('pow', 2, function(x, y) return whole(x ^ y) end)
-- of two integers 5.4 makes an error of a zero divisor
M.fmod = numbers('fmod', 2, function(x, y) return whole(fmod(x + 0.0, y + 0.0)) end)
M.mod = M.fmod
M.modf = numbers('modf', 1, function(x)
  local i, f = modf(x)
  return whole(i), whole(f)
end)
M.cosh = numbers('cosh', 1, function(x) return (exp(x) + exp(-x)) / 2 end)
M.sinh = numbers('sinh', 1, function(x) return (exp(x) - exp(-x)) / 2 end)
M.tanh = numbers('tanh', 1, function(x)
  if x > 20 then return 1 elseif x < -20 then return -1 end
  local a, b = exp(x), exp(-x)
  return (a - b) / (a + b)
end)
M.frexp = numbers('frexp', 1, native.frexp)
M.ldexp = numbers('ldexp', 2, function(m, e) return whole(native.ldexp(m, cut(e))) end)
-- the generator of Redis: drand48's, the same sequence in each script
local state
local function seed(n)
  state = ((n & 0xffffffff) << 16) + 0x330e
end
function M.randomseed(n)
  seed(cut(n + 0.0))
end
function M.random(...)
  local n = select('#', ...)
  state = (state * 0x5deece66d + 0xb) & 0xffffffffffff
  local r = ((state >> 17) % 0x7fffffff) / 0x7fffffff
  if n == 0 then return r end
  local l, u = ...
  if n == 1 then
    u = cut(l)
    if type(u) ~= 'number' then u = cut(tonumber(u)) end
    if u == nil then error("bad argument #1 to 'random' (number expected, got " .. type(l) .. ")", 2) end
    if u < 1 then error("bad argument #1 to 'random' (interval is empty)", 2) end
    return whole(floor(r * u) + 1)
  elseif n == 2 then
    l, u = cut(tonumber(l)), cut(tonumber(u))
    if l == nil or u == nil then error("bad argument #1 to 'random' (number expected)", 2) end
    if l > u then error("bad argument #2 to 'random' (interval is empty)", 2) end
    return whole(floor(r * (u - l + 1)) + l)
  end
  error('wrong number of arguments', 2)
end
G.math = freeze(M)

-- coroutine, os

local co = coroutine
local function resumed(ok, ...)
  if ok then return ok, ... end
  local e = ...
  if type(e) == 'userdata' then return false, described(e) end
  if type(e) == 'string' then return false, placed(e) end
  return false, ...
end
local function wanted(name, type_of, what, f)
  return function(...)
    if type((...)) ~= type_of then error("bad argument #1 to '" .. name .. "' (" .. what .. " expected)", 2) end
    return f(...)
  end
end
local C = {
  create = wanted('create', 'function', 'Lua function', co.create),
  wrap = wanted('wrap', 'function', 'Lua function', co.wrap),
  status = wanted('status', 'thread', 'coroutine', co.status),
  yield = co.yield,
}
function C.resume(...)
  if type((...)) ~= 'thread' then error("bad argument #1 to 'resume' (coroutine expected)", 2) end
  return resumed(co.resume(...))
end
function C.running()
  local c, main = co.running()
  return not main and c or nil
end
G.coroutine = freeze(C)
G.os = freeze({ clock = os.clock })

-- modules in Rust

for _, name in next, { 'cjson', 'cmsgpack', 'struct', 'bit' } do
  G[name] = freeze(native[name])
end

-- redis

R.REDIS_VERSION, R.REDIS_VERSION_NUM = version, version_num
R.LOG_DEBUG, R.LOG_VERBOSE, R.LOG_NOTICE, R.LOG_WARNING = 0, 1, 2, 3
R.REPL_NONE, R.REPL_AOF, R.REPL_SLAVE, R.REPL_REPLICA, R.REPL_ALL = 0, 1, 2, 2, 3
R.sha1hex = native.sha1hex
local function single(key, ...)
  local s = ...
  if select('#', ...) ~= 1 or type(s) ~= 'string' then return { err = 'ERR wrong number or type of arguments' } end
  return { [key] = s }
end
function R.status_reply(...)
  return single('ok', ...)
end
function R.error_reply(...)
  local t = single('err', ...)
  if t.err == 'ERR wrong number or type of arguments' then return t end
  local s = t.err
  if sub(s, 1, 1) == '-' then s = sub(s, 2) end
  -- one word is no code
  if not find(s, ' ', 1, true) then s = 'ERR ' .. s end
  return { err = s }
end
function R.replicate_commands() return true end
-- these are no functions of Lua's, so that a tail call to them leaves the caller's line for the error message
for _, name in next, { 'call', 'pcall', 'log', 'setresp', 'set_repl', 'acl_check_cmd', 'breakpoint',
  'debug' } do
  R[name] = native[name]
end
G.redis = freeze(R)

if deprecated then
  G.setfenv = native.setfenv
  function G.getfenv(f)
    -- without globals there is no environment: it is the one that it would have
    return native.getfenv(f == nil and 2 or type(f) == 'number' and f > 0 and f + 1 or f) or env
  end
  -- a table in the place of 5.1's userdata
  function G.newproxy(like)
    if like == nil or like == false then return {} end
    return setmetatable({}, like == true and {} or getmetatable(like))
  end
end

-- what a library has while it is being loaded
local L = {}
if libraries then
  R.replicate_commands, R.breakpoint, R.debug = nil, nil, nil
  local r = setmetatable({
    register_function = native.register_function,
    log = R.log,
    REDIS_VERSION = version,
    REDIS_VERSION_NUM = version_num,
    LOG_DEBUG = 0,
    LOG_VERBOSE = 1,
    LOG_NOTICE = 2,
    LOG_WARNING = 3,
  }, { __index = missing })
  L.redis = freeze(r)
  setmetatable(L, { __index = missing })
end
local function loading(on)
  env_meta.__index = on and L or G
end

seed(0)

local function concatenable(n)
  if mtype(n) == 'float' then return text(n) end
  return n
end

return G, env, xpcall, loading, concatenable
