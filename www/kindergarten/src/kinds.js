// What the kindergarten keeps: the kinds of documents, and their fields. Lists, forms and the
// comparison of versions are all made from this.

const TODAY = () => new Date().toISOString().slice(0, 10);

/** What is wrong with a value; nothing for what is fine. */
const notInFuture = (value) => (value > TODAY() ? 'This day is still to come.' : undefined);
const aPhone = (value) => (/^\+?[\d\s()/-]{5,}$/.test(value) ? undefined : 'Digits, spaces and a leading + only, at least five.');
const anEmail = (value) => (/^[^\s@]+@[^\s@]+$/.test(value) ? undefined : 'An address looks like name@example.com.');
const aCapacity = (value) => (Number.isInteger(value) && value >= 1 && value <= 99 ? undefined : 'A whole number from 1 to 99.');

export const KINDS = {
    children: {
        type: 'Child', collection: 'Children', one: 'child', many: 'children', title: 'Children',
        hasPhoto: true,
        fields: [
            { name: 'name', label: 'Name', input: 'text', isRequired: true, most: 80, autocomplete: 'off' },
            { name: 'birthday', label: 'Birthday', input: 'date', isRequired: true, check: notInFuture },
            { name: 'parents', label: 'Parents', input: 'references', kind: 'parents' },
            { name: 'allergies', label: 'Allergies', input: 'text', most: 200, hint: 'What everybody who serves food must know.' },
            { name: 'notes', label: 'Notes', input: 'long', most: 2000 },
            { name: 'photo', label: 'Photograph', input: 'photo' },
        ],
    },
    groups: {
        type: 'Group', collection: 'Groups', one: 'group', many: 'groups', title: 'Groups',
        fields: [
            { name: 'name', label: 'Name', input: 'text', isRequired: true, most: 40 },
            { name: 'teacher', label: 'Teacher', input: 'text', isRequired: true, most: 80 },
            { name: 'room', label: 'Room', input: 'text', most: 40 },
            { name: 'capacity', label: 'Places', input: 'number', isRequired: true, check: aCapacity },
            { name: 'color', label: 'Colour', input: 'choice', isRequired: true, choices: { leaf: 'Leaf', sun: 'Sun', sky: 'Sky', berry: 'Berry', plum: 'Plum' } },
        ],
    },
    parents: {
        type: 'Parent', collection: 'Parents', one: 'parent', many: 'parents', title: 'Parents',
        fields: [
            { name: 'name', label: 'Name', input: 'text', isRequired: true, most: 80, autocomplete: 'off' },
            { name: 'phone', label: 'Phone', input: 'tel', isRequired: true, check: aPhone, hint: 'Under which to reach them during the day.' },
            { name: 'email', label: 'E-mail', input: 'email', check: anEmail },
            { name: 'mayCollect', label: 'May collect the child', input: 'yes' },
        ],
    },
    registrations: {
        type: 'Registration', collection: 'Registrations', one: 'registration', many: 'registrations', title: 'Registrations',
        fields: [
            { name: 'child', label: 'Child', input: 'reference', kind: 'children', isRequired: true },
            { name: 'group', label: 'Group', input: 'reference', kind: 'groups', isRequired: true },
            { name: 'from', label: 'From', input: 'date', isRequired: true },
            { name: 'days', label: 'Days', input: 'days', isRequired: true },
            { name: 'status', label: 'Status', input: 'choice', isRequired: true, choices: { requested: 'Requested', confirmed: 'Confirmed', ended: 'Ended' } },
        ],
    },
};

export const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'];

/** The kind that an id belongs to. */
export function kindOf(id) {
    const name = id.slice(0, id.indexOf('/'));
    return KINDS[name] ? { name, ...KINDS[name] } : undefined;
}

/** A new document of a kind, as its form begins. */
export function blankOf(name) {
    const blank = Object.fromEntries(KINDS[name].fields.map(({ name, input }) => [name, emptyOf(input)]));
    if (name === 'registrations') Object.assign(blank, { from: TODAY(), days: [...DAYS], status: 'requested' });
    if (name === 'groups') Object.assign(blank, { capacity: 12, color: 'leaf' });
    return blank;
}

/** What a field that nobody filled in holds. */
export function emptyOf(input) {
    if (input === 'references' || input === 'days') return [];
    if (input === 'yes') return false;
    return input === 'number' ? null : '';
}

const isEmpty = (value) => value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** What is wrong with a document of a kind, by field. */
export function findFaults(kind, document) {
    const faults = {};
    for (const { name, label, isRequired, most, check, input } of kind.fields) {
        const value = document[name];
        if (isEmpty(value)) {
            if (isRequired) faults[name] = input === 'days' ? 'Choose at least one day.' : `${label} is needed.`;
        } else if (most !== undefined && value.length > most) {
            faults[name] = `At most ${most} characters; these are ${value.length}.`;
        } else {
            const fault = check?.(value);
            if (fault) faults[name] = fault;
        }
    }
    return faults;
}

/** Whether two values of a field say the same. */
export function isSame(one, other) {
    if (isEmpty(one) && isEmpty(other)) return true;
    return JSON.stringify(one) === JSON.stringify(other);
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const showDate = (text) => {
    const date = new Date(`${text}T00:00:00Z`);
    return Number.isNaN(date.getTime()) ? String(text) : DATE.format(date);
};

export const showMoment = (text) => {
    const date = new Date(text);
    return Number.isNaN(date.getTime()) ? '' : MOMENT.format(date);
};

/** Years between a birthday and today; nothing for what is no date. */
export function ageOf(birthday) {
    if (!/^\d{4}-\d\d-\d\d$/.test(birthday ?? '')) return undefined;
    const today = TODAY();
    const years = today.slice(0, 4) - birthday.slice(0, 4) - (today.slice(5) < birthday.slice(5) ? 1 : 0);
    return years >= 0 ? years : undefined;
}

/** A value of a field as text; `nameOf` gives the names of other documents. */
export function showValue({ input, choices }, value, nameOf) {
    if (input === 'yes') return value ? 'Yes' : 'No';
    if (isEmpty(value)) return '';
    switch (input) {
        case 'date': return showDate(value);
        case 'choice': return choices[value] ?? String(value);
        case 'reference': return nameOf(value);
        case 'references': return value.map(nameOf).join(', ');
        case 'days': return value.join(', ');
        case 'photo': return 'A photograph';
        default: return String(value);
    }
}
