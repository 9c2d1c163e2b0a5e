//! The arguments of searches.

use viator_data::geo::{Point, Search, Shape, Unit, decode};
use viator_data::num;
use viator_data::zset::ZSet;
use viator_engine::args::{Args, int, is};
use viator_engine::error::Error;

use viator_resp::reply::shown;

use super::{bits, position, unit};

/// Which command's arguments they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS; whether it may store.
    Radius { may_store: bool },
    /// GEORADIUSBYMEMBER; whether it may store.
    RadiusByMember { may_store: bool },
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

/// In which order what is found comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// That of the search.
    None,
    /// The nearest first.
    Asc,
    /// The farthest first.
    Desc,
}

/// What a search's arguments say.
pub(super) struct Wanted<'a> {
    pub(super) search: Search,
    pub(super) withdist: bool,
    pub(super) withhash: bool,
    pub(super) withcoord: bool,
    pub(super) any: bool,
    /// 0: all.
    pub(super) count: usize,
    pub(super) order: Order,
    /// Where the result is stored.
    pub(super) store: Option<&'a [u8]>,
    /// It is stored with distances as scores.
    pub(super) storedist: bool,
}

/// The options, while they are read.
struct Parser<'a> {
    wanted: Wanted<'a>,
    from_member: bool,
    from_position: bool,
    by_radius: bool,
    by_box: bool,
}

/// Reads the arguments after the source key. `set`: the sorted set, if it is there.
pub(super) fn parse<'a>(args: Args<'a>, set: Option<&ZSet>, form: Form, name: &[u8]) -> Result<Wanted<'a>, Error> {
    let nowhere = Point { longitude: 0.0, latitude: 0.0 };
    let search = Search { center: nowhere, shape: Shape::Circle { radius: 0.0 }, unit: Unit::Metre };
    let wanted = Wanted {
        search,
        withdist: false,
        withhash: false,
        withcoord: false,
        any: false,
        count: 0,
        order: Order::None,
        store: None,
        storedist: false,
    };
    let mut parser = Parser { wanted, from_member: false, from_position: false, by_radius: false, by_box: false };
    let before_options = match form {
        Form::Radius { .. } => {
            parser.wanted.search.center = position(args.at(0), args.at(1))?.0;
            parser.radius(args.at(2), args.at(3))?;
            4
        }
        Form::RadiusByMember { .. } => {
            if let Some(set) = set {
                parser.wanted.search.center = member(set, args.at(0))?;
                parser.radius(args.at(1), args.at(2))?;
            }
            3
        }
        Form::Search | Form::SearchStore => 0,
    };
    parser.options(args.from(before_options), set, form)?;
    let Parser { wanted, from_member, from_position, by_radius, by_box } = parser;
    if (form == Form::SearchStore || wanted.store.is_some()) && (wanted.withdist || wanted.withhash || wanted.withcoord)
    {
        let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
        let line = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
        return Err(Error::text(line));
    }
    if matches!(form, Form::Search | Form::SearchStore) {
        if !from_member && !from_position {
            let line = format!("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}", shown(name));
            return Err(Error::text(line));
        }
        if !by_radius && !by_box {
            return Err(Error::text(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {}",
                shown(name)
            )));
        }
    }
    if wanted.any && wanted.count == 0 {
        return Err(Error::Static("ERR the ANY argument requires COUNT argument"));
    }
    Ok(wanted)
}

/// The position of a member.
fn member(set: &ZSet, member: &[u8]) -> Result<Point, Error> {
    let score = set.score(member).ok_or(Error::Static("ERR could not decode requested zset member"))?;
    Ok(decode(bits(score)))
}

impl<'a> Parser<'a> {
    fn radius(&mut self, radius: &[u8], in_unit: &[u8]) -> Result<(), Error> {
        let radius = num::parse_f64(radius).ok_or(Error::Static("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Error::Static("ERR radius cannot be negative"));
        }
        self.wanted.search.unit = unit(in_unit)?;
        self.wanted.search.shape = Shape::Circle { radius };
        Ok(())
    }

    fn rectangle(&mut self, width: &[u8], height: &[u8], in_unit: &[u8]) -> Result<(), Error> {
        let width = num::parse_f64(width).ok_or(Error::Static("ERR need numeric width"))?;
        let height = num::parse_f64(height).ok_or(Error::Static("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::Static("ERR height or width cannot be negative"));
        }
        self.wanted.search.unit = unit(in_unit)?;
        self.wanted.search.shape = Shape::Box { width, height };
        Ok(())
    }

    fn options(&mut self, args: Args<'a>, set: Option<&ZSet>, form: Form) -> Result<(), Error> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let may_store = matches!(form, Form::Radius { may_store: true } | Form::RadiusByMember { may_store: true });
        let mut args = args.iter();
        while let Some(option) = args.next() {
            let left = args.len();
            let mut next = || args.next().unwrap_or_default();
            let wanted = &mut self.wanted;
            match option.to_ascii_lowercase().as_slice() {
                b"withdist" => wanted.withdist = true,
                b"withhash" => wanted.withhash = true,
                b"withcoord" => wanted.withcoord = true,
                b"any" => wanted.any = true,
                b"asc" => wanted.order = Order::Asc,
                b"desc" => wanted.order = Order::Desc,
                b"count" if left >= 1 => {
                    let count = int(next())?;
                    if count <= 0 {
                        return Err(Error::Static("ERR COUNT must be > 0"));
                    }
                    wanted.count = usize::try_from(count).unwrap_or(usize::MAX);
                }
                b"store" | b"storedist" if may_store && left >= 1 => {
                    wanted.storedist = is(option, "STOREDIST");
                    wanted.store = Some(next());
                }
                b"storedist" if form == Form::SearchStore => wanted.storedist = true,
                b"frommember" if searches && left >= 1 && !self.from_position => {
                    let name = next();
                    // without the key there is nothing to find, but the other options are read
                    if let Some(set) = set {
                        wanted.search.center = member(set, name)?;
                    }
                    self.from_member = true;
                }
                b"fromlonlat" if searches && left >= 2 && !self.from_member => {
                    wanted.search.center = position(next(), next())?.0;
                    self.from_position = true;
                }
                b"byradius" if searches && left >= 2 && !self.by_box => {
                    let (radius, unit) = (next(), next());
                    self.radius(radius, unit)?;
                    self.by_radius = true;
                }
                b"bybox" if searches && left >= 3 && !self.by_radius => {
                    let (width, height, unit) = (next(), next(), next());
                    self.rectangle(width, height, unit)?;
                    self.by_box = true;
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(())
    }
}
