#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <content>What is kept of the player.</content>
    public sealed partial class GodotAuth
    {
        /// <summary>A page of what is kept of the player for long: <c>{documents, entries?, cursor?}</c>. All pages are the player's own data.</summary>
        /// <param name="cursor">That of the page before.</param>
        /// <param name="limit">How many at most; the server's number without it.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> DataAsync(string? cursor = null, int? limit = null, CancellationToken cancel = default)
        {
            var query = new List<string>();
            if (cursor != null) query.Add("cursor=" + Uri.EscapeDataString(cursor));
            if (limit != null) query.Add("limit=" + limit);
            var path = query.Count == 0 ? "account/data" : "account/data?" + string.Join("&", query);
            return tokens.WithTokenAsync(token => api.GetAsync(path, token, cancel), cancel);
        }

        /// <summary>
        /// One document that the player may read: <c>{collection, key, version, owner, schema, updated_at, value}</c>.
        /// </summary>
        /// <param name="collection">Its collection.</param>
        /// <param name="key">Its key.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> DocumentAsync(string collection, string key, CancellationToken cancel = default)
        {
            var path = "data/" + string.Join("/", key.Split('/').Prepend(collection).Select(Uri.EscapeDataString));
            return tokens.WithTokenAsync(token => api.GetAsync(path, token, cancel), cancel);
        }
    }
}
