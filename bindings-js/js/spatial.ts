// Places: which fields hold them, and how they are asked for.

import type { AddParameter } from './conditions.js';
import { path } from './rql_text.js';

export type SpatialUnits = 'Kilometers' | 'Miles';
export type SpatialRelation = 'Within' | 'Contains' | 'Disjoint' | 'Intersects';

/** Fields of documents that hold a place, for queries without an index of your own. */
export abstract class DynamicSpatialField {
    /** Distances are rounded to a multiple of it before they order. */
    roundFactor = 0;

    /** @internal */
    abstract toText(): string;

    roundTo(factor: number): this {
        this.roundFactor = factor;
        return this;
    }
}

/** A place as two numbers: `new PointField('latitude', 'longitude')`. */
export class PointField extends DynamicSpatialField {
    constructor(readonly latitude: string, readonly longitude: string) {
        super();
    }

    /** @internal */
    override toText(): string {
        return `spatial.point(${path(this.latitude)}, ${path(this.longitude)})`;
    }
}

/** A shape as well-known text in a field. */
export class WktField extends DynamicSpatialField {
    constructor(readonly wkt: string) {
        super();
    }

    /** @internal */
    override toText(): string {
        return `spatial.wkt(${path(this.wkt)})`;
    }
}

/** @internal The field of a spatial call: of an index by its name, or made of fields. */
export function spatialField(field: string | DynamicSpatialField): string {
    return typeof field === 'string' ? path(field) : field.toText();
}

/** How a field's place lies to a shape; made by `SpatialCriteriaFactory`. */
export class SpatialCriteria {
    readonly #relation: SpatialRelation;
    readonly #shape: string;
    readonly #values: unknown[];
    readonly #error: number | undefined;

    /** @internal */
    constructor(relation: SpatialRelation, shape: string, values: unknown[], error: number | undefined) {
        this.#relation = relation;
        this.#shape = shape;
        this.#values = values.filter((it) => it !== undefined);
        this.#error = error;
    }

    /** @internal */
    toText(field: string | DynamicSpatialField, parameter: AddParameter): string {
        const shape = `${this.#shape}(${this.#values.map(parameter).join(', ')})`;
        const error = this.#error === undefined ? '' : `, ${parameter(this.#error)}`;
        return `spatial.${this.#relation.toLowerCase()}(${spatialField(field)}, ${shape}${error})`;
    }
}

type UnitsOrError = SpatialUnits | number | undefined;

/** What places are to be like: `(it) => it.withinRadius(10, 52.5, 13.4)`. */
export class SpatialCriteriaFactory {
    static readonly INSTANCE = new SpatialCriteriaFactory();

    /** Shapes as well-known text; `distErrorPercent` is taken and not used, for answers are exact. */
    relatesToShape(shapeWkt: string, relation: SpatialRelation, units?: UnitsOrError, distErrorPercent?: number): SpatialCriteria {
        const error = typeof units === 'number' ? units : distErrorPercent;
        return new SpatialCriteria(relation, 'spatial.wkt', [shapeWkt, typeof units === 'number' ? undefined : units], error);
    }

    intersects(shapeWkt: string, units?: UnitsOrError, distErrorPercent?: number): SpatialCriteria {
        return this.relatesToShape(shapeWkt, 'Intersects', units, distErrorPercent);
    }

    contains(shapeWkt: string, units?: UnitsOrError, distErrorPercent?: number): SpatialCriteria {
        return this.relatesToShape(shapeWkt, 'Contains', units, distErrorPercent);
    }

    disjoint(shapeWkt: string, units?: UnitsOrError, distErrorPercent?: number): SpatialCriteria {
        return this.relatesToShape(shapeWkt, 'Disjoint', units, distErrorPercent);
    }

    within(shapeWkt: string, units?: UnitsOrError, distErrorPercent?: number): SpatialCriteria {
        return this.relatesToShape(shapeWkt, 'Within', units, distErrorPercent);
    }

    withinRadius(radius: number, latitude: number, longitude: number, radiusUnits?: SpatialUnits, distErrorPercent?: number): SpatialCriteria {
        return new SpatialCriteria('Within', 'spatial.circle', [radius, latitude, longitude, radiusUnits], distErrorPercent);
    }
}

/** @internal `spatial.distance(…)` of what `orderByDistance()` takes. */
export function distanceText(field: string | DynamicSpatialField, place: number | string, rest: unknown[], parameter: AddParameter): {
    text: string;
    nulls: unknown;
} {
    const more = [...rest];
    const shape = typeof place === 'number'
        ? `spatial.point(${parameter(place)}, ${parameter(more.shift())})`
        : `spatial.wkt(${parameter(place)})`;
    const given = typeof more[0] === 'number' ? (more.shift() as number) : 0;
    const factor = typeof field === 'string' ? given : field.roundFactor;
    const rounded = factor > 0 ? `, ${parameter(factor)}` : '';
    return { text: `spatial.distance(${spatialField(field)}, ${shape}${rounded})`, nulls: more[0] };
}
