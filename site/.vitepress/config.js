import { slug } from 'github-slugger'
import { defineConfig } from 'vitepress'
import { sidebar } from '../sidebar.js'

export default defineConfig({
  title: 'media-credits',
  description: 'Charges and refunds the credits of a paid AI app inside one database transaction',
  srcDir: '.pages',
  outDir: '.site',
  lastUpdated: false,
  ignoreDeadLinks: 'localhostLinks',
  // The headings' addresses are GitHub's, as the pages' links are written.
  markdown: { anchor: { slugify: slug } },
  themeConfig: {
    nav: [
      { text: 'Start', link: '/docs/migrating' },
      { text: 'API', link: '/api/' },
      { text: 'All pages', link: '/docs/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    // Works without a network: the index is a part of the site.
    search: { provider: 'local' },
  },
})
