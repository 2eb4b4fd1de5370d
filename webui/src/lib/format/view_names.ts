/** What the views are called. */

import type { View } from '../filters/route.ts';

export const VIEW_NAMES: Record<View, string> = {
    overview: 'Overview',
    live: 'Live',
    flows: 'Flows',
    addresses: 'Addresses',
    lists: 'Lists',
    settings: 'Settings',
};
