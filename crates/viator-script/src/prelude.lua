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
G.ipairs = ipairs
G._VERSION = 'Lua 5.1'

function G.pcall(...)
  return caught(pcall(...))
end

function G.xpcall(f, handler, ...)
  return xpcall(f, function(e)
    if type(e) == 'userdata' then e = described(e) end
    return handler(e)
  end, ...)
end

function G.rawset(t, k, v)
  if frozen[t] then error(READONLY, 0) end
  return rawset(t, k, v)
end

function G.setmetatable(t, m)
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
    if type(v) == 'number' then v = G.tostring(v) end
    return tonumber(v, base)
  end
  if mtype(v) == 'integer' then return v end
  return whole(tonumber(...))
end

function G.unpack(t, i, j)
  return table.unpack(t, i, j)
end
G.unpack = table.unpack

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
G.loadstring = G.load

local collect = collectgarbage
function G.collectgarbage(what)
  if what == nil or what == 'collect' then return collect('collect') end
  if what == 'count' then return collect('count') end
  if what == 'step' then return collect('step') end
  if what == 'stop' or what == 'restart' or what == 'setpause' or what == 'setstepmul' then return 0 end
  return collect(what)
end
function G.gcinfo()
  return floor(collect('count'))
end

-- string

local S = string
local sub, rep, byte, find = S.sub, S.rep, S.byte, S.find
S.pack, S.unpack, S.packsize = nil, nil, nil
S.gfind = S.gmatch
function S.sub(s, i, j)
  return sub(s, cut(i), cut(j))
end
function S.rep(s, n)
  return rep(s, cut(n))
end
function S.byte(s, i, j)
  return byte(s, cut(i), cut(j))
end
local integral = { d = true, i = true, u = true, c = true, x = true, X = true, o = true }
function S.format(f, ...)
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
function T.concat(t, sep, i, j)
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
  return concat(t, sep, i, j)
end
function T.insert(t, ...)
  local n = select('#', ...)
  if n == 2 and type(t) == 'table' then
    local pos, v = ...
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
  return insert(t, ...)
end
function T.remove(t, pos)
  if pos == nil then return remove(t) end
  pos = cut(tonumber(pos)) or pos
  if type(t) == 'table' and type(pos) == 'number' and (pos < 1 or pos > #t) then return nil end
  return remove(t, pos)
end
T.sort = table.sort
function T.getn(t)
  if type(t) ~= 'table' then error("bad argument #1 to 'getn' (table expected, got " .. type(t) .. ")", 2) end
  return #t
end
function T.setn()
  error("'setn' is obsolete", 2)
end
function T.maxn(t)
  local max = 0
  for k in next, t do
    if type(k) == 'number' and k > max then max = k end
  end
  return max
end
function T.foreach(t, f)
  for k, v in next, t do
    local r = f(k, v)
    if r ~= nil then return r end
  end
end
function T.foreachi(t, f)
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
local log, atan, exp, sqrt, modf = math.log, math.atan, math.exp, math.sqrt, math.modf
function M.log(x) return whole(log(x)) end
function M.log10(x) return whole(log(x, 10)) end
function M.atan(x) return atan(x) end
function M.atan2(y, x) return atan(y, x) end
function M.sqrt(x) return whole(sqrt(x)) end
function M.pow(x, y) return whole(x ^ y) end
function M.fmod(x, y)
  -- of two integers 5.4 makes an error of a zero divisor
  return whole(fmod(x + 0.0, y + 0.0))
end
M.mod = M.fmod
function M.modf(x)
  local i, f = modf(x)
  return whole(i), whole(f)
end
function M.cosh(x) return (exp(x) + exp(-x)) / 2 end
function M.sinh(x) return (exp(x) - exp(-x)) / 2 end
function M.tanh(x)
  if x > 20 then return 1 elseif x < -20 then return -1 end
  local a, b = exp(x), exp(-x)
  return (a - b) / (a + b)
end
M.frexp = native.frexp
function M.ldexp(m, e) return whole(native.ldexp(m, cut(e))) end
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
  return false, ...
end
local C = { create = co.create, status = co.status, wrap = co.wrap, yield = co.yield }
function C.resume(...)
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
